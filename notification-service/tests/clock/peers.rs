//! Other people's programs: installed once below `target/peers`, run over stdin and stdout.

use std::{path::PathBuf, process::Stdio};

use tokio::{io::AsyncWriteExt as _, process::Command};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a script of `tests/peers` by the Python there; answers its lines.
pub(crate) async fn python(script: &str, arguments: &[&str], input: String) -> Vec<String> {
    let peers = repository().join("tests/peers");
    let install =
        Command::new("bash").arg(peers.join("install.sh")).stdin(Stdio::null()).output().await.unwrap();
    assert!(install.status.success(), "cannot install: {}", String::from_utf8_lossy(&install.stderr));
    let mut child = Command::new(repository().join("target/peers/venv/bin/python"))
        .arg(peers.join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut orders = child.stdin.take().unwrap();
    let writing = tokio::spawn(async move { orders.write_all(input.as_bytes()).await });
    let output = child.wait_with_output().await.unwrap();
    writing.await.unwrap().unwrap();
    assert!(output.status.success(), "{script} failed");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
