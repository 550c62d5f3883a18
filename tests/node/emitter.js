// Emits with @socket.io/redis-emitter what a test expects at our nodes. Argument: Redis URL.
const { createClient } = require("redis");
const { Emitter } = require("@socket.io/redis-emitter");

(async () => {
  const client = createClient({ url: process.argv[2] });
  await client.connect();
  const emitter = new Emitter(client);
  emitter.emit("all", 1, Buffer.from([1, 2]));
  emitter.to("red").volatile.emit("red", { a: null });
  emitter.to(["red", "blue"]).except("blue").emit("not blue");
  emitter.in("red").socketsJoin(["green", "yellow"]);
  emitter.to("green").emit("green");
  emitter.in("red").socketsLeave("yellow");
  emitter.of("chat").emit("chat", 1);
  emitter.serverSideEmit("told", "x", 2);
  emitter.in("blue").disconnectSockets();
  await client.quit();
  console.log(JSON.stringify({ done: true }));
})();
