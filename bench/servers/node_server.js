// The reference: socket.io on Node, with its default WebSocket engine (ws). Its argument is the port.
// With REDIS_URL it is one of several nodes.
const { createServer } = require("http");
const { Server } = require("socket.io");

const port = Number(process.argv[2]);
const http = createServer();
const io = new Server(http, { serveClient: false });

io.on("connection", (socket) => {
  socket.on("echo", (x) => socket.emit("echo", x));
  socket.on("go", (x) => io.emit("news", x));
  socket.on("ack", (x, answer) => answer(x));
  socket.on("big", (x, answer) => answer(x.length));
});

async function joinCluster(url) {
  const { createClient } = require("redis");
  const { createAdapter } = require("@socket.io/redis-adapter");
  const publisher = createClient({ url });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  io.adapter(createAdapter(publisher, subscriber));
}

async function main() {
  if (process.env.REDIS_URL) await joinCluster(process.env.REDIS_URL);
  http.listen(port, "127.0.0.1", () => console.log(`listening on ${port}`));
}

main();
