// The connection, made visible: which transport carries us, the upgrade from one to the other, and every loss and return.
// Knows the client library's events; knows nothing of chat.
import { $, facts, story } from "/view.js";

const SHOWN = 700; // ms that "upgrading" stays on the screen: the real thing takes some 10

export function watch(socket) {
  const manager = socket.io;
  let began = performance.now();
  let seen = { transport: "-", session: "-", worker: "-", upgrade: "-", returns: 0 };
  const since = () => Math.round(performance.now() - began);

  function show(state, text) {
    $("connection").dataset.state = state;
    $("connection-text").textContent = text;
    if (state === "waiting") $("latency").textContent = "";
    facts({
      Transport: seen.transport, "Upgraded after": seen.upgrade, "Session id": seen.session,
      "Socket id": socket.id ?? "-", Worker: seen.worker, "Round trip": $("latency").textContent || "-",
      "Came back": `${seen.returns} times`,
    });
  }

  // The engine is a new object for each connection, and it upgrades just after it opened: listen from `open` on.
  manager.on("open", () => {
    const { engine } = manager;
    seen = { ...seen, session: engine.id, transport: engine.transport.name, upgrade: "-" };
    story(since(), `session opened over ${engine.transport.name}`);
    show(engine.transport.name, engine.transport.name);
    let upgrading = 0;
    engine.on("upgrading", (transport) => {
      upgrading = performance.now();
      story(since(), `probing ${transport.name}, while ${engine.transport.name} carries on`);
      show("upgrading", `${engine.transport.name} → ${transport.name}`);
    });
    engine.on("upgrade", (transport) => {
      seen = { ...seen, transport: transport.name, upgrade: `${since()} ms` };
      story(since(), `upgraded to ${transport.name}`);
      setTimeout(
        () => manager.engine === engine && engine.readyState === "open" && show(transport.name, transport.name),
        Math.max(0, upgrading + SHOWN - performance.now()),
      );
    });
    engine.on("upgradeError", (error) => {
      story(since(), `no upgrade: ${error.message}`);
      show(engine.transport.name, engine.transport.name);
    });
  });

  socket.on("connect", () => {
    story(since(), `connected to the namespace / as ${socket.id}`);
    measure();
  });
  socket.on("welcome", ({ you }) => { seen.worker = you.worker; });
  socket.on("disconnect", (reason) => {
    began = performance.now();
    seen = { ...seen, transport: "-", session: "-", upgrade: "-" };
    story(0, `lost: ${reason}`);
    show("waiting", "connection lost");
    if (reason === "io server disconnect") socket.connect(); // the one case in which the client does not try by itself
  });
  manager.on("reconnect_attempt", (attempt) => {
    story(since(), `trying again, the ${attempt}. time`);
    show("waiting", `reconnecting, try ${attempt}`);
  });
  manager.on("reconnect", () => {
    seen.returns += 1;
  });
  socket.on("connect_error", (error) => {
    story(since(), `refused: ${error.message}`);
    if (!socket.active) show("waiting", "refused");
  });

  async function measure() {
    if (!socket.connected) return;
    const start = performance.now();
    try {
      await socket.timeout(5000).emitWithAck("echo");
      $("latency").textContent = `${(performance.now() - start).toFixed(1)} ms`;
    } catch {
      $("latency").textContent = "no echo";
    }
    if ($("connection").dataset.state === seen.transport) show(seen.transport, seen.transport);
  }
  setInterval(measure, 10_000);

  $("connection").addEventListener("click", () => $("details").showModal());
  $("cut").addEventListener("click", () => manager.engine?.close());
  show("waiting", "not connected");
  return {
    begin() {
      began = performance.now();
      story(0, "connecting");
      show("waiting", "connecting");
    },
  };
}
