//! What every service stands on.
//!
//! The life of a process: `main` parses settings, installs [`telemetry`], binds
//! its listeners, builds a [`lifecycle::Lifecycle`] and calls the service's
//! `run(config, listeners, lifecycle)`. The service spawns its loops on the
//! lifecycle, reports its dependencies to [`health`], serves gRPC through
//! [`rpc`] or HTTP through [`http_server`], and answers every failure with a
//! [`fault::Fault`]. A module lives here only when two services use it.

pub mod admin;
pub mod backoff;
pub mod clock;
pub mod failpoint;
pub mod fault;
pub mod health;
pub mod http_server;
pub mod idempotency;
pub mod lifecycle;
pub mod postgres;
pub mod rpc;
pub mod secrets;
pub mod service_token;
pub mod telemetry;
pub mod tls;
pub mod tokens;

/// Every program's allocator. A request through the gateway makes some hundred small allocations,
/// often freed by another thread than made them: the system's allocator takes twice as long for those.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Installs the one TLS and cryptography provider, aws-lc-rs. Call it first in
/// every `main`; a second call changes nothing.
pub fn install_crypto_provider() {
    // An error means that a provider is installed already: ours, by an earlier call.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
