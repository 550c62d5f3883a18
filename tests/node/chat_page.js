// Uses the demo's page in a real Chromium as people would, and prints what was seen as one line of JSON.
// Arguments: the page's address, a scenario's name, a folder for screenshots, the room that people come into.
"use strict";

const { chromium } = require("playwright-core");

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const [address, scenario, folder, room = "lobby"] = process.argv.slice(2);
const complaints = [];
let browser;

async function open(query, size = { width: 1280, height: 800 }, more = {}) {
  const page = await (await browser.newContext({ viewport: size, ...more })).newPage();
  page.setDefaultTimeout(15_000);
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(address + query + (query.includes("#") ? "" : `#${room}`));
  return page;
}

const upgraded = (page) => page.waitForSelector('#connection[data-state="websocket"]');
const texts = (page, selector) => page.$$eval(selector, (found) => found.map((one) => one.textContent));
const messages = (page) => texts(page, "#messages .body");
const has = (page, selector, text) =>
  page.waitForFunction(([where, what]) => [...document.querySelectorAll(where)].some((one) => one.textContent.includes(what)), [selector, text]);
const gone = (page, selector, text) =>
  page.waitForFunction(([where, what]) => ![...document.querySelectorAll(where)].some((one) => one.textContent.includes(what)), [selector, text]);
const width = (page) => page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

const scenarios = {
  async talk() {
    const ada = await open("/"); // as a stranger comes: no name yet
    await ada.fill("#name", "Ada");
    await ada.click("#hello .primary");
    await upgraded(ada);
    const bo = await open("/?name=Bo<i>", { width: 320, height: 640 }, { colorScheme: "dark", isMobile: true, hasTouch: true });
    await upgraded(bo);
    await has(ada, "#people .who", "Bo<i>");
    await say(ada, "hello from a desk");
    await has(bo, "#messages .body", "hello from a desk");
    await bo.locator("#text").pressSequentially("hm");
    await has(ada, "#typing", "Bo<i> is typing");
    await ada.screenshot({ path: `${folder}/desk.png` });
    await say(bo, "<b>hello</b> from a phone\nin two lines");
    await has(ada, "#messages .body", "from a phone");
    await gone(ada, "#typing", "typing");
    await has(ada, "#messages .fate", "delivered");
    await bo.click("#show-people");
    await bo.screenshot({ path: `${folder}/phone.png` });
    const seen = {
      ada: await messages(ada), bo: await messages(bo), people: await texts(ada, "#people .who"), width: await width(bo),
      story: await texts(ada, "#story span"), markup: await ada.locator("#messages .body b").count(),
      events: await texts(ada, "#messages .event"),
    };
    await bo.close();
    await has(ada, "#messages .event", "Bo<i> left");
    return { ...seen, left: await texts(ada, "#people .who") };
  },

  async alone() {
    const ada = await open("/?name=Ada");
    await upgraded(ada);
    await say(ada, "is anybody there?");
    await has(ada, "#messages .fate", "delivered");
    await has(ada, "#people .who", "Ada (you)");
    return { said: await messages(ada), story: await texts(ada, "#story span") };
  },

  async manyWorkers() { // people come until two are on different workers
    const here = [await open("/?name=Ada")];
    await upgraded(here[0]);
    const workers = () => texts(here[0], "#people .worker");
    while (new Set(await workers()).size < 2) {
      if (here.length === 8) throw new Error(`all on one: ${await workers()}`);
      const name = `Bo ${here.length}`;
      here.push(await open(`/?name=${name}`));
      await upgraded(here.at(-1));
      await has(here[0], "#people .who", name);
    }
    const [ada, bo] = [here[0], here.at(-1)];
    await say(ada, "from one worker");
    await has(bo, "#messages .body", "from one worker");
    await say(bo, "from another");
    await has(ada, "#messages .body", "from another");
    await bo.locator("#text").pressSequentially("hm");
    await has(ada, "#typing", "is typing");
    await ada.click("#connection");
    const facts = await texts(ada, "#facts dd");
    await ada.click("#details .primary");
    await ada.screenshot({ path: `${folder}/workers.png` });
    const late = await open("/?name=Late"); // asks whichever worker it is on what was said
    await upgraded(late);
    await has(late, "#people .who", "Ada");
    await has(ada, "#people .who", "Late");
    await bo.click('#rooms button:has-text("python")');
    await has(ada, "#messages .event", "left");
    const seen = {
      facts, ada: await messages(ada), late: await messages(late), workers: await texts(late, "#messages .head .worker"),
      people: [await texts(ada, "#people .who"), await texts(late, "#people .who")], counts: await texts(ada, "#rooms .number"),
      names: here.length - 1, who: await texts(bo, "#people .worker"),
    };
    await bo.close();
    await has(late, "#rooms li:nth-child(2) .number", "0");
    return seen;
  },

  async rooms() {
    const ada = await open("/?name=Ada#python");
    await upgraded(ada);
    const bo = await open("/?name=Bo");
    await upgraded(bo);
    await say(bo, "for the lobby");
    await say(ada, "for python");
    await has(ada, "#messages .fate", "delivered");
    const before = [await messages(ada), await messages(bo)];
    await bo.click('#rooms button:has-text("python")');
    await has(bo, "#messages .body", "for python"); // from the history
    await has(ada, "#people .who", "Bo");
    await say(ada, "welcome");
    await has(bo, "#messages .body", "welcome");
    await bo.fill("#new-room-name", "quiet-corner");
    await bo.press("#new-room-name", "Enter");
    await has(bo, "#room-name", "quiet-corner");
    await gone(ada, "#people .who", "Bo");
    await bo.goBack();
    await has(bo, "#messages .body", "welcome");
    return { before, after: await messages(bo), address: new URL(bo.url()).hash, rooms: await texts(ada, "#rooms .name") };
  },

  async comeBack() {
    const ada = await open("/?name=Ada");
    await upgraded(ada);
    const bo = await open("/?name=Bo");
    await upgraded(bo);
    await say(ada, "before");
    await has(bo, "#messages .body", "before");
    await ada.click("#connection");
    await ada.click("#cut");
    await has(ada, "#connection-text", "connect"); // "connection lost", "reconnecting"
    await say(bo, "meanwhile");
    await upgraded(ada);
    await has(ada, "#messages .body", "meanwhile");
    await ada.click("#details .primary");
    await say(ada, "after");
    await has(bo, "#messages .body", "after");
    await has(bo, "#people .who", "Ada");
    return { ada: await messages(ada), bo: await messages(bo), facts: await texts(ada, "#facts dd"), story: await texts(ada, "#story span") };
  },

  async tooMuch() {
    const ada = await open("/?name=Ada");
    await upgraded(ada);
    await ada.evaluate(() => { // at once, however slow the machine is
      for (let number = 1; number <= 14; number += 1) {
        document.getElementById("text").value = `message ${number}`;
        document.getElementById("composer").requestSubmit();
      }
    });
    await has(ada, "#messages .failed .fate", "Slower, please");
    const failed = await ada.locator("#messages .failed").count();
    while ((await ada.locator("#messages .failed").count()) === failed) {
      await ada.locator("#messages .failed .fate button").first().click(); // one more is allowed each half second
      await ada.waitForFunction(() => !document.querySelector("#messages .pending"));
    }
    await ada.reload();
    await upgraded(ada);
    await has(ada, "#messages .body", "message 1");
    return { failed, kept: await messages(ada) };
  },
};

(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: FLAGS });
  const seen = await scenarios[scenario]();
  await browser.close();
  console.log(JSON.stringify({ ...seen, complaints }));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
