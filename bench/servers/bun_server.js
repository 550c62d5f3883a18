// socket.io on Bun, with Bun's own engine. Its argument is the port.
const { Server: Engine } = require("@socket.io/bun-engine");
const { Server } = require("socket.io");

const port = Number(process.argv[2]);
const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);

io.on("connection", (socket) => {
  socket.on("echo", (x) => socket.emit("echo", x));
  socket.on("go", (x) => io.emit("news", x));
  socket.on("ack", (x, answer) => answer(x));
  socket.on("big", (x, answer) => answer(x.length));
});

const { websocket, ...handler } = engine.handler();
Bun.serve({ ...handler, websocket, port, hostname: "127.0.0.1" });
console.log(`listening on ${port}`);
