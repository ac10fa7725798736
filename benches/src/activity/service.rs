//! activity-service, as a process beside the others.

use anyhow::Result;

use crate::{process::Process, service::Service, system::System};

/// Running, where the gateway looks for it.
#[derive(Debug)]
pub struct ActivityService {
    service: Service,
    uri: String,
}

// === impl ActivityService ===

impl ActivityService {
    /// Starts it. Nobody is where it would tell something, and nothing is told:
    /// what the events mean is due long after the run.
    pub async fn start(system: &System) -> Result<Self> {
        let settings = [
            ("ACTIVITY_DATABASE_URL", system.postgres.activity_url()),
            ("ACTIVITY_GRPC_LISTEN", system.activity_grpc.to_string()),
            ("ACTIVITY_ADMIN_LISTEN", system.activity_admin.to_string()),
            ("AUTH_URL", system.auth_uri.clone()),
            ("SERVICE_TOKEN_FILE", system.token_file.display().to_string()),
        ];
        let mut service =
            Service::start("activity-service", &system.folder, system.activity_admin, &settings)?;
        service.ready().await?;
        Ok(Self { service, uri: format!("http://{}", system.activity_grpc) })
    }

    /// Its gRPC.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The process.
    pub const fn process(&self) -> Process {
        self.service.process()
    }

    /// Ends it.
    pub async fn stop(self) -> Result<()> {
        self.service.stop().await
    }
}
