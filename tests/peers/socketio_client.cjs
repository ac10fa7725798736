// socket.io-client as a child process: one JSON object a line, orders on stdin, what happens on stdout.
//
//   node socketio_client.cjs URL TOKEN TRANSPORT      TRANSPORT: websocket, polling, or both ("polling,websocket")
//   {"emit": name, "payload": …, "id": n}  →  {"ack": n, "value": …}
//   {"disconnect": true}
//   →  {"connected": sid, "transport": …} {"refused": text} {"heard": name, "payload": …} {"ended": reason}
"use strict";
const readline = require("node:readline");
const { io } = require("socket.io-client");

const [url, token, transports] = process.argv.slice(2);
const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const socket = io(url, {
  transports: transports.split(","),
  auth: token === "" ? {} : { token },
  reconnection: false,
  forceNew: true,
});
socket.on("connect", () => {
  const { transport } = socket.io.engine;
  say({ connected: socket.id, transport: transport.name });
  socket.io.engine.on("upgrade", (better) => say({ upgraded: better.name }));
});
socket.on("connect_error", (error) => say({ refused: error.message }));
socket.on("disconnect", (reason) => say({ ended: reason }));
socket.onAny((name, payload) => say({ heard: name, payload }));

const orders = readline.createInterface({ input: process.stdin });
orders.on("line", (line) => {
  const order = JSON.parse(line);
  if (order.disconnect) {
    socket.disconnect();
  } else if (order.id === undefined) {
    socket.emit(order.emit, order.payload);
  } else {
    socket.emit(order.emit, order.payload, (value) => say({ ack: order.id, value }));
  }
});
orders.on("close", () => process.exit(0));
