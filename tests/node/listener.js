// A Node node without clients that prints what its cluster tells it, one JSON line each: events for its room's one
// member, joins, leaves, disconnections, server-side events. Arguments: adapter, Redis URL, namespace.
const { createServer } = require("http");
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");

const [kind, url, namespace = "/"] = process.argv.slice(2);
const print = (line) => console.log(JSON.stringify(line));

const makeAdapter = async () => {
  const { createClient, createCluster } = require("redis");
  const make = () => (process.env.REDIS_CLUSTER ? createCluster({ rootNodes: [{ url }] }) : createClient({ url }));
  const clients = [make(), make()];
  for (const client of clients) client.on("error", () => {});
  await Promise.all(clients.map((client) => client.connect()));
  if (kind === "classic") return require("@socket.io/redis-adapter").createAdapter(clients[0], clients[1]);
  if (kind === "sharded") return require("@socket.io/redis-adapter").createShardedAdapter(clients[0], clients[1]);
  const streamCount = Number(process.env.STREAM_COUNT || 1);
  return require("@socket.io/redis-streams-adapter").createAdapter(clients[0], { streamCount });
};

(async () => {
  const http = createServer();
  const server = new Server(http, { adapter: await makeAdapter(), transports: ["websocket"] });
  const nsp = server.of(namespace);
  nsp.on("connection", (socket) => {
    socket.join("room");
    socket.on("disconnect", (reason) => print({ disconnect: reason }));
  });
  nsp.adapter.on("join-room", (room, id) => room !== id && room !== "room" && print({ join: room }));
  nsp.adapter.on("leave-room", (room, id) => room !== id && room !== "room" && print({ leave: room }));
  nsp.on("refresh", (...args) => print({ refresh: args }));
  http.listen(0, "127.0.0.1", () => {
    const socket = connect(`http://127.0.0.1:${http.address().port}${namespace}`, { transports: ["websocket"] });
    socket.onAny((...args) => print({ event: args.map((arg) => (Buffer.isBuffer(arg) ? { $bytes: arg.toString("hex") } : arg)) }));
    // Subscriptions are in effect when Redis has answered, and so has this one's own count.
    socket.on("connect", async () => {
      let count = 0;
      while (count < 1) count = await nsp.adapter.serverCount();
      setTimeout(() => print({ ready: true }), 200);
    });
  });
})();
