//! `shared-calendar healthcheck`: whether the process on the admin listener can serve.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the whole question may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The answer lists a handful of dependencies.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Asks `/readyz`; an error tells what is not ready.
pub async fn ask(admin: SocketAddr) -> anyhow::Result<()> {
    let answer = timeout(PATIENCE, exchange(admin)).await.context("no answer in time")??;
    let (head, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
    if head.split_whitespace().nth(1) != Some("200") {
        bail!("not ready: {}", body.trim());
    }
    Ok(())
}

async fn exchange(admin: SocketAddr) -> anyhow::Result<String> {
    let mut stream =
        TcpStream::connect(admin).await.with_context(|| format!("nothing answers on {admin}"))?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn against(answer: &'static str) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = async {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await?;
            stream.write_all(answer.as_bytes()).await
        };
        let (sent, asked) = tokio::join!(server, ask(address));
        sent?;
        asked
    }

    #[tokio::test]
    async fn ready_is_fine_and_anything_else_says_why() {
        against("HTTP/1.1 200 OK\r\n\r\n{}").await.expect("ready");
        let refused = against("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"missing\":[\"database\"]}").await;
        assert!(refused.expect_err("unready").to_string().contains("database"));
        assert!(against("nonsense").await.is_err());
    }
}
