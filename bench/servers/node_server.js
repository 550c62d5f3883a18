// The reference: socket.io on Node, with its default WebSocket engine (ws). `node node_server.js PORT`
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

http.listen(port, "127.0.0.1", () => console.log(`listening on ${port}`));
