// A Node node in a cluster, with two clients of its own, told what to do by JSON lines on its input:
// {id, do, ...} is answered by {id, result} or {id, error}; what a client gets is told as {client, event}.
// Arguments: adapter, Redis URL, name, options of the adapter as JSON.
const { createServer } = require("http");
const readline = require("readline");
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");

const [kind, url, name, options = "{}"] = process.argv.slice(2);
const say = (line) => console.log(JSON.stringify(line));
const show = (value) => {
  if (Buffer.isBuffer(value)) return { $bytes: value.toString("hex") };
  if (Array.isArray(value)) return value.map(show);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, show(item)]));
  }
  return value;
};
const revive = (key, value) => (value && value.$bytes !== undefined ? Buffer.from(value.$bytes, "hex") : value);

const makeAdapter = async () => {
  const opts = JSON.parse(options);
  let clients;
  if (kind.endsWith("-ioredis")) {
    const Redis = require("ioredis");
    clients = [new Redis(url), new Redis(url)];
  } else {
    const { createClient, createCluster } = require("redis");
    const make = () => (process.env.REDIS_CLUSTER ? createCluster({ rootNodes: [{ url }] }) : createClient({ url }));
    clients = [make(), make()];
    for (const client of clients) client.on("error", () => {});
    await Promise.all(clients.map((client) => client.connect()));
  }
  if (kind.startsWith("classic")) return require("@socket.io/redis-adapter").createAdapter(...clients, opts);
  if (kind.startsWith("sharded")) return require("@socket.io/redis-adapter").createShardedAdapter(...clients, opts);
  return require("@socket.io/redis-streams-adapter").createAdapter(clients[0], opts);
};

const serve = (server) => {
  server.on("connection", (socket) => {
    if (socket.handshake.auth.name) socket.data.name = socket.handshake.auth.name;
    socket.join("everyone");
    socket.on("join", (room, done) => done(socket.join(room)));
  });
  server.on("count", (answer) => answer(server.sockets.sockets.size));
  server.on("tell", (...args) => say({ told: args.map(show) }));
};

const aim = (server, { rooms = [], except = [], volatile, local, timeout, compress }) => {
  let target = server.of("/");
  for (const room of rooms) target = target.to(room);
  for (const room of except) target = target.except(room);
  if (volatile) target = target.volatile;
  if (local) target = target.local;
  if (compress !== undefined) target = target.compress(compress);
  if (timeout) target = target.timeout(timeout);
  return target;
};

const commands = (server, clients) => ({
  emit: (asked) => aim(server, asked).emit(...asked.args) && null,
  emitWithAck: async (asked) => {
    try {
      return { answers: await aim(server, { timeout: 2000, ...asked }).emitWithAck(...asked.args) };
    } catch (error) {
      return { error: error.message, answers: error.responses };
    }
  },
  fetchSockets: async (asked) =>
    (await aim(server, asked).fetchSockets()).map(({ id, handshake, rooms, data }) => ({
      id, handshake, rooms: [...rooms], data,
    })),
  join: (asked) => aim(server, asked).socketsJoin(asked.to) || null,
  leave: (asked) => aim(server, asked).socketsLeave(asked.to) || null,
  disconnect: (asked) => aim(server, asked).disconnectSockets(asked.close) || null,
  tell: (asked) => server.serverSideEmit(...asked.args) || null,
  ask: (asked) => server.serverSideEmitWithAck(...asked.args),
  serverCount: () => server.of("/").adapter.serverCount(),
  allRooms: async () => [...(await server.of("/").adapter.allRooms())],
  roomSize: (asked) => (server.of("/").adapter.rooms.get(asked.room) || new Set()).size,
  clientJoin: (asked) => clients[asked.client].emitWithAck("join", asked.room),
  clientIds: () => clients.map((client) => client.id),
});

// Clients that lose their connection, and come back here with what they know from elsewhere.
const comebacks = (http, clients) => ({
  drop: async ({ client }) => {
    const socket = clients[client];
    const known = { id: socket.id, pid: socket._pid, offset: socket._lastOffset };
    socket.io.reconnection(false);
    const gone = new Promise((done) => socket.once("disconnect", done));
    socket.io.engine.close();
    await gone;
    return known;
  },
  comeBack: async ({ pid, offset }) => {
    const socket = connect(`http://127.0.0.1:${http.address().port}`, { transports: ["websocket"], autoConnect: false, forceNew: true });
    Object.assign(socket, { _pid: pid, _lastOffset: offset });
    const client = clients.push(socket) - 1;
    socket.onAny((...args) => say({ client, event: args.map(show) }));
    const connected = new Promise((done) => socket.once("connect", done));
    socket.connect();
    await connected;
    return { client, recovered: socket.recovered, id: socket.id };
  },
});

(async () => {
  const http = createServer();
  const connectionStateRecovery = process.env.RECOVERY ? { maxDisconnectionDuration: 60000 } : undefined;
  const adapter = await makeAdapter();
  const server = new Server(http, { adapter, transports: ["websocket"], connectionStateRecovery });
  serve(server);
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  const clients = [];
  for (const number of [0, 1]) {
    const auth = { name: `${name}-${number}` };
    const socket = connect(`http://127.0.0.1:${http.address().port}`, { transports: ["websocket"], auth, forceNew: true });
    socket.onAny((...args) => {
      const answer = typeof args[args.length - 1] === "function" ? args.pop() : null;
      say({ client: number, event: args.map(show) });
      if (answer && args[0] !== "silence") answer(auth.name, "second");
    });
    await new Promise((done) => socket.on("connect", done));
    clients.push(socket);
  }
  const can = { ...commands(server, clients), ...comebacks(http, clients) };
  say({ ready: true });
  readline.createInterface({ input: process.stdin }).on("line", async (line) => {
    const asked = JSON.parse(line, revive);
    try {
      say({ id: asked.id, result: show(await can[asked.do](asked)) ?? null });
    } catch (error) {
      say({ id: asked.id, error: error.message });
    }
  });
})();
