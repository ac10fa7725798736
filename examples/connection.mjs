// A connection to the calendar, and the one question of the event-reminder protocol.

import { io } from "socket.io-client";

const url = process.env.URL ?? "http://127.0.0.1:8080";
const token = process.env.TOKEN;

/** Connects in the name of TOKEN; resolves once the server has let us in. */
export function connect() {
  if (!token) {
    console.error("TOKEN is not set: log in first, see README.md");
    process.exit(64);
  }
  const socket = io(url, { auth: { token } });
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(socket));
    socket.on("connect_error", (error) => {
      console.error(`cannot connect to ${url}: ${error.message}`);
      // A refusal is final; while the server is away socket.io-client tries again by itself.
      if (!socket.active) process.exit(1);
    });
  });
}

/** Asks the server to do `command`; resolves with its response, rejects with its words. */
export function ask(socket, command, data) {
  return new Promise((resolve, reject) => {
    socket.timeout(10_000).emit("command", { command, data }, (late, answer) => {
      if (late) reject(new Error("no answer in ten seconds"));
      else if (answer.status === "success") resolve(answer.response);
      else reject(new Error(answer.error));
    });
  });
}
