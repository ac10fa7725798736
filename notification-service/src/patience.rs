//! A client-side bound for work that no request bounds: `statement_timeout` is
//! the server's promise, and a server that is frozen or cut off keeps none.

use std::{future::Future, time::Duration};

use chassis::fault::Fault;
use tokio::time::timeout;

/// Over the server's own statement timeout of a second, under a lease.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The outcome of the statements in `work`; `unavailable` when it takes too
/// long. A commit that is on its way may still come to be.
pub(crate) async fn in_time<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(Fault::unavailable("the database")))
}

#[cfg(test)]
mod tests {
    use chassis::fault::Reason;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_unavailable() {
        let hung = in_time(std::future::pending::<Result<(), Fault>>()).await;
        assert_eq!(hung.unwrap_err().reason, Reason::Unavailable);
        assert_eq!(in_time(async { Ok(1) }).await, Ok(1));
    }
}
