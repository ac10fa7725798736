//! Bytes between two sockets.
//!
//! Nothing is held while nothing flows: a block lives on the stack of the turn
//! that reads it, and on the heap only while its reader is slow. A pair of
//! `tokio::io::copy` buffers, however small, would be there for every idle
//! socket.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use chassis::tls::{ReadHalf, Stream, WriteHalf};
use hyper::body::Bytes;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf},
    time::timeout,
};

/// What one read takes at most.
const BLOCK: usize = 8 * 1024;
/// A peer that takes nothing for this long is gone; the service that writes
/// pings has given up on it before.
const STUCK: Duration = Duration::from_mins(1);
/// When one side has said its last, the other has this long to do so.
const LINGER: Duration = Duration::from_secs(5);

/// A socket, and what was read from it before it became a tunnel's.
pub(super) struct End {
    pub(super) stream: Stream,
    pub(super) already_read: Bytes,
}

/// Carries bytes both ways until both sides have ended.
pub(super) async fn splice(client: End, service: End) -> io::Result<()> {
    let (mut client, from_client) = (client.stream, client.already_read);
    let (mut service, from_service) = (service.stream, service.already_read);
    let (client_in, client_out) = client.split();
    let (service_in, service_out) = service.split();
    let up = carry(from_client, client_in, service_out);
    let down = carry(from_service, service_in, client_out);
    tokio::pin!(up, down);
    // Whichever ends first, the rest of the other direction is not waited for
    // without end: a peer that vanished never says its last. A service that broke
    // ends its client at once, who would wait for an answer that never comes; a
    // service that takes nothing more may still have said something.
    let other = tokio::select! {
        ended = &mut up => {
            let rest = timeout(LINGER, down).await;
            ended?;
            rest
        }
        ended = &mut down => {
            ended?;
            timeout(LINGER, up).await
        }
    };
    other.unwrap_or(Ok(()))
}

/// One direction, until its end, which is passed on.
async fn carry(already_read: Bytes, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
    write(&mut to, &already_read).await?;
    drop(already_read);
    while let Some(rest) = pass(&mut from, &mut to).await? {
        write(&mut to, &rest).await?;
    }
    to.shutdown().await
}

/// Passes one block on; answers what could not be written at once, `None` at
/// the end.
async fn pass(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> io::Result<Option<Vec<u8>>> {
    poll_fn(|cx| {
        let mut block = [std::mem::MaybeUninit::uninit(); BLOCK];
        let mut block = ReadBuf::uninit(&mut block);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut block))?;
        let block = block.filled();
        if block.is_empty() {
            return Poll::Ready(Ok(None));
        }
        let written = match Pin::new(&mut *to).poll_write(cx, block)? {
            Poll::Ready(written) => written,
            Poll::Pending => 0,
        };
        Poll::Ready(Ok(Some(block[written..].to_vec())))
    })
    .await
}

async fn write(to: &mut WriteHalf<'_>, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() && !to.holds_back() {
        return Ok(());
    }
    let written = timeout(STUCK, async {
        to.write_all(bytes).await?;
        to.flush().await
    });
    written.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// Both ends of a connection over loopback.
    async fn pair() -> io::Result<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr()?), listener.accept());
        Ok((near?, far?.0))
    }

    fn end(stream: TcpStream, already_read: &'static [u8]) -> End {
        End { stream: Stream::Plain(stream), already_read: Bytes::from_static(already_read) }
    }

    #[tokio::test]
    async fn every_byte_arrives_in_order_whatever_the_pace() -> io::Result<()> {
        let (mut client, gateway_client) = pair().await?;
        let (gateway_service, mut service) = pair().await?;
        let tunnel = tokio::spawn(splice(end(gateway_client, b"early "), end(gateway_service, b"")));
        let sent: Vec<u8> = (0..4_000_000_u32).map(|n| (n % 251) as u8).collect();
        let expected = sent.clone();
        let sender = tokio::spawn(async move {
            client.write_all(&sent).await?;
            client.shutdown().await?;
            let mut answer = String::new();
            client.read_to_string(&mut answer).await?;
            io::Result::Ok(answer)
        });
        let mut got = Vec::new();
        service.read_to_end(&mut got).await?;
        assert_eq!(&got[..6], b"early ");
        assert!(got[6..] == expected, "the bytes of the client, in order");
        service.write_all(b"bye").await?;
        drop(service);
        assert_eq!(sender.await??, "bye");
        tunnel.await??;
        Ok(())
    }

    #[tokio::test]
    async fn a_client_that_is_reset_ends_the_tunnel_and_the_services_side() -> io::Result<()> {
        let (client, gateway_client) = pair().await?;
        let (gateway_service, mut service) = pair().await?;
        let tunnel = tokio::spawn(splice(end(gateway_client, b""), end(gateway_service, b"")));
        client.set_zero_linger()?;
        drop(client);
        assert!(tunnel.await?.is_err());
        let mut rest = Vec::new();
        // A reset and an end are both ends.
        let _ = service.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
        Ok(())
    }

    #[tokio::test]
    async fn a_service_that_is_killed_ends_the_clients_side_at_once() -> io::Result<()> {
        let (mut client, gateway_client) = pair().await?;
        let (gateway_service, service) = pair().await?;
        let tunnel = tokio::spawn(splice(end(gateway_client, b""), end(gateway_service, b"")));
        service.set_zero_linger()?;
        drop(service);
        let mut rest = Vec::new();
        // The client has said nothing, and goes on saying nothing.
        let ended = timeout(LINGER / 2, client.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the client was kept waiting");
        assert!(tunnel.await?.is_err());
        Ok(())
    }
}
