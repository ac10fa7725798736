//! The relay from outside: the real program, its TCP ports, and what is left of
//! the stream when parts of it are killed.

#[path = "relay/bounds.rs"]
mod bounds;
#[path = "relay/client.rs"]
mod client;
#[path = "relay/crowd.rs"]
mod crowd;
#[path = "relay/kills.rs"]
mod kills;
#[path = "relay/operator.rs"]
mod operator;
#[path = "relay/oracle.rs"]
mod oracle;
#[path = "relay/program.rs"]
mod program;
#[path = "relay/rabbitmq.rs"]
mod rabbitmq;
#[path = "relay/source.rs"]
mod source;
#[path = "relay/stream.rs"]
mod stream;
#[path = "relay/streams.rs"]
mod streams;
#[path = "relay/wait.rs"]
mod wait;
