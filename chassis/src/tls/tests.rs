//! Connections in this process, with certificates as an operator makes them.

use std::{io, path::Path, process::Command};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{file::File, validity::not_after, *};
use crate::clock::{Clock as _, SystemClock};

fn certificates(days: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cluster/certs.sh");
    assert!(Command::new(script).arg(folder.path()).arg(days).status().unwrap().success());
    folder
}

fn settings(of: &TempDir, name: &str) -> WireSettings {
    let path = |file: String| Some(of.path().join(file));
    WireSettings {
        service_tls_ca_file: path("ca.crt".to_owned()),
        service_tls_cert_file: path(format!("{name}.crt")),
        service_tls_key_file: path(format!("{name}.key")),
    }
}

fn wire(of: &TempDir, name: &str) -> Wire {
    settings(of, name).wire().unwrap()
}

/// A word there and back, and whom the listener saw.
async fn speak(way: Way, acceptor: Acceptor) -> io::Result<Option<PeerNames>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let caller = async {
        let mut stream = way.through(TcpStream::connect(address).await?).await?;
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        let mut word = [0; 5];
        stream.read_exact(&mut word).await?;
        io::Result::Ok(word)
    };
    let callee = async {
        let mut stream = acceptor.accept(listener.accept().await?.0).await?;
        let mut word = [0; 5];
        stream.read_exact(&mut word).await?;
        stream.write_all(&word).await?;
        stream.flush().await?;
        io::Result::Ok(stream.peer_names())
    };
    let (word, names) = tokio::try_join!(caller, callee)?;
    assert_eq!(&word, b"hello");
    Ok(names)
}

#[tokio::test]
async fn each_side_knows_the_other() {
    let ours = certificates("2");
    let (gateway, auth) = (wire(&ours, "gateway"), wire(&ours, "auth"));
    let names = speak(gateway.to("auth"), auth.acceptor()).await.unwrap();
    assert_eq!(names, Some(PeerNames::of(&["gateway"])));
    speak(gateway.to("auth"), auth.acceptor().only(&["calendar", "gateway"])).await.unwrap();
    assert_eq!(speak(Way::plain(), Acceptor::plain()).await.unwrap(), None);

    let refused = speak(gateway.to("auth"), auth.acceptor().only(&["calendar"])).await;
    assert!(refused.is_err(), "a caller that may not");
    assert!(speak(gateway.to("calendar"), auth.acceptor()).await.is_err(), "not who was called");
    let foreign = certificates("2");
    assert!(speak(gateway.to("auth"), wire(&foreign, "auth").acceptor()).await.is_err(), "a foreign callee");
    assert!(speak(wire(&foreign, "gateway").to("auth"), auth.acceptor()).await.is_err(), "a foreign caller");
    assert!(speak(Way::plain(), auth.acceptor()).await.is_err(), "a caller without TLS");
    assert!(speak(gateway.to("auth"), Acceptor::plain()).await.is_err(), "a callee without TLS");
}

#[test]
fn settings_that_cannot_be_name_their_variable() {
    let ours = certificates("2");
    assert!(!WireSettings::default().wire().unwrap().is_mutual());
    assert!(wire(&ours, "auth").is_mutual());
    let refused = |change: fn(&mut WireSettings)| {
        let mut settings = settings(&ours, "auth");
        change(&mut settings);
        settings.wire().unwrap_err().variable
    };
    assert_eq!(refused(|it| it.service_tls_ca_file = None), "SERVICE_TLS_CA_FILE");
    assert_eq!(refused(|it| it.service_tls_cert_file = None), "SERVICE_TLS_CERT_FILE");
    assert_eq!(refused(|it| it.service_tls_key_file = None), "SERVICE_TLS_KEY_FILE");
    assert_eq!(refused(|it| it.service_tls_cert_file = Some("/nowhere".into())), "SERVICE_TLS_CERT_FILE");
    // A key is no certificate, and another's key is none of ours.
    assert_eq!(
        refused(|it| it.service_tls_ca_file.clone_from(&it.service_tls_key_file)),
        "SERVICE_TLS_CA_FILE"
    );
    let other = settings(&ours, "gateway");
    let mixed = WireSettings { service_tls_key_file: other.service_tls_key_file, ..settings(&ours, "auth") };
    assert_eq!(mixed.wire().unwrap_err().variable, "SERVICE_TLS_KEY_FILE");
}

#[test]
fn the_end_of_a_certificate_is_read() {
    let ours = certificates("10");
    let certificate = File::new("X", &ours.path().join("auth.crt")).certificates().unwrap().remove(0);
    let left = not_after(&certificate).unwrap() - SystemClock.now().as_second();
    let ten_days = 10 * 24 * 3600;
    assert!((ten_days - 600..=ten_days).contains(&left), "{left} seconds");
    assert_eq!(not_after(&b"no certificate"[..].into()), None);
}
