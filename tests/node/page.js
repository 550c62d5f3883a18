// The little of a browser's page that the JSONP transport of client 2.5 touches: script and form elements that send.
// A script's answer is run as a program; a form is sent as browsers send it, urlencoded and with CRLF line ends.
"use strict";

const http = require("http");
const vm = require("vm");

const agent = new http.Agent({ keepAlive: true });

function request(url, method, body, done, failed) {
  const headers = body === null ? {} : { "Content-Type": "application/x-www-form-urlencoded", "Content-Length": Buffer.byteLength(body) };
  const sent = http.request(url, { method, headers, agent }, (response) => {
    const chunks = [];
    response.on("data", (chunk) => chunks.push(chunk));
    response.on("end", () => done(response, Buffer.concat(chunks).toString("utf8")));
  });
  sent.on("error", failed);
  sent.end(body === null ? undefined : body);
}

class Element {
  constructor(tag) {
    this.tag = tag;
    this.style = {};
    this.children = [];
  }

  setAttribute(name, value) { this[name] = value; }

  appendChild(child) {
    child.parentNode = this;
    this.children.push(child);
    if (child.tag === "script") child.load();
    return child;
  }

  insertBefore(child) { return this.appendChild(child); }

  removeChild(child) {
    this.children = this.children.filter((other) => other !== child);
    child.removed = true; // a script that was removed is still fetched
  }

  load() {
    const failed = (error) => { if (!this.removed) this.onerror(error); };
    request(this.src, "GET", null, (response, text) => {
      if (this.removed) return;
      if (response.statusCode !== 200) failed(new Error(text));
      else vm.runInThisContext(text);
    }, failed);
  }

  submit() {
    const area = this.children.find(({ tag }) => tag === "textarea");
    const iframe = this.children.find(({ tag }) => tag === "iframe");
    const body = new URLSearchParams({ [area.name]: area.value.replace(/\r?\n/g, "\r\n") }).toString();
    request(this.action, "POST", body, () => { if (iframe.onload) iframe.onload(); }, () => {});
  }
}

global.document = {
  head: new Element("head"),
  body: new Element("body"),
  createElement: (tag) => {
    if (tag.startsWith("<")) throw new Error("only old browsers take markup here");
    return new Element(tag);
  },
  getElementsByTagName: () => [],
};
