// Schedules a reminder for the next minute, and waits until it comes.
//
// EVENT_NAME is what it says. With CALENDAR it goes to the room of that calendar, without to everybody who is
// connected, as far as the operator's BROADCAST_SCOPE lets it.

import { ask, connect } from "./connection.mjs";

/** The next full minute in this machine's zone, as the server wants it: YYYY-MM-DD HH:mm. */
function nextMinute() {
  const at = new Date(Date.now() + 60_000);
  const two = (number) => String(number).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

const socket = await connect();
let mine;
const heard = new Promise((resolve) => {
  socket.on("eventReminder", (reminder) => {
    const isMine = reminder._id === mine?._id;
    console.log(isMine ? "Time is up:" : "Another one:", JSON.stringify(reminder));
    if (isMine) resolve();
  });
});
try {
  const data = {
    time: nextMinute(),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    eventName: process.env.EVENT_NAME ?? "Name of the event",
    calendar_name: process.env.CALENDAR,
  };
  if (data.calendar_name) {
    // A reminder of a room is heard by who is in the room.
    socket.emit("join_calendar", { calendar_name: data.calendar_name });
  }
  mine = await ask(socket, "scheduleEvent", data);
  console.log("Scheduled:", JSON.stringify(mine));
  await heard;
} catch (error) {
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}
socket.disconnect();
