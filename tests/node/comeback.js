// Clients that lose their connection again and again under traffic, and note every hole, double and swap.
// Arguments: url, clients, rounds. Prints one line: {recovered, anew, wrong, moved}.
const { io } = require("socket.io-client");

const [url, clients, rounds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const found = { recovered: 0, anew: 0, wrong: [], moved: 0 };

async function client(number) {
  const socket = io(url, {
    forceNew: true, transports: number % 2 ? ["websocket"] : ["polling"],
    reconnectionDelay: 10, reconnectionDelayMax: 60, randomizationFactor: 0.9,
  });
  let last = {};
  socket.on("news", (source, count) => {
    if (last[source] !== undefined && count !== last[source] + 1) {
      found.wrong.push(`client ${number}: ${count} behind ${last[source]} of ${source}`);
    }
    last[source] = count;
  });
  const ask = (event, ...args) => socket.timeout(5000).emitWithAck(event, ...args);
  await new Promise((done) => socket.once("connect", done));
  await ask("join", "readers");
  for (let round = 0; round < rounds; round++) {
    await pause(100 + Math.random() * 200);
    const before = await ask("where");
    socket.io.engine.close();
    await new Promise((done) => socket.once("connect", done));
    found.moved += (await ask("where")) !== before;
    if (socket.recovered) {
      found.recovered++;
    } else {
      found.anew++;
      last = {};
      await ask("join", "readers");
    }
  }
  await pause(200);
  socket.disconnect();
}

Promise.all([...Array(clients).keys()].map(client)).then(() => {
  console.log(JSON.stringify(found));
  process.exit();
});
