//! Calendars, members, events, rooms over WebSocket and Socket.IO, and the create_event saga.
