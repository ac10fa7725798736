// Prints every time zone that the server knows.

import { ask, connect } from "./connection.mjs";

const socket = await connect();
try {
  for (const zone of await ask(socket, "getAllTimeZones")) console.log(zone);
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
socket.disconnect();
