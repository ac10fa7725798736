//! The private RabbitMQ of the tests, which can be killed and started again.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

/// RabbitMQ, running after [`RabbitMq::start`].
pub(crate) struct RabbitMq {
    folder: PathBuf,
    /// Its address.
    pub(crate) url: String,
}

// === impl RabbitMq ===

impl RabbitMq {
    /// Starts it, unless it runs: `scripts/servers.sh` chose its folder and ends it.
    pub(crate) async fn start() -> Self {
        let variable =
            |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name}: use scripts/servers.sh"));
        let mut this = Self { folder: variable("TEST_RABBITMQ").into(), url: String::new() };
        this.again().await;
        this.url = this.script("url").await;
        this
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self) {
        self.script("kill").await;
    }

    /// Starts it again.
    pub(crate) async fn again(&self) {
        self.script("start").await;
    }

    /// What it prints.
    async fn script(&self, command: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/rabbitmq.sh");
        let mut run = Command::new(script);
        run.arg(command).arg(&self.folder).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = run.output().await.expect("the script runs");
        assert!(output.status.success(), "cannot {command} RabbitMQ");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}
