// Prints every reminder and notification that reaches TOKEN's account, until it is stopped.
//
// With CALENDAR it enters the room of that calendar first, and hears the room's reminders too.

import { connect } from "./connection.mjs";

const socket = await connect();
const enter = () => {
  if (process.env.CALENDAR) socket.emit("join_calendar", { calendar_name: process.env.CALENDAR });
};
socket.on("connect", enter);
enter();
socket.on("eventReminder", (reminder) => console.log("Time is up:", JSON.stringify(reminder)));
socket.on("notification", (notification) => console.log("For you:", JSON.stringify(notification)));
socket.on("message", (message) => {
  // Without an acknowledgement a refusal comes as a message that is a text.
  if (typeof message === "string") console.error(`refused: ${message}`);
});
console.log("Listening for reminders. Ctrl-C stops it.");
