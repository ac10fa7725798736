//! The bare socket below a WebSocket, with TLS or without, for who writes
//! without waiting.
//!
//! rustls by itself, not an async stream around it: frames are written by
//! whoever has them, and read by the pump, each without blocking.

use std::io::{self, IoSlice, Read, Write};

use chassis::tls::Stream;
use parking_lot::Mutex;
use rustls::{Connection, ServerConnection};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::outbox::Transport;

/// A socket.
#[derive(Debug)]
pub(super) struct Link {
    tcp: TcpStream,
    /// The TLS on it; boxed, because its state is a kilobyte.
    tls: Option<Box<Mutex<Connection>>>,
}

/// The socket as rustls reads and writes it.
struct Raw<'a>(&'a TcpStream);

// === impl Link ===

impl Link {
    /// What a listener took in.
    pub(super) fn new(stream: Stream) -> Self {
        match stream {
            Stream::Plain(tcp) => Self { tcp, tls: None },
            Stream::Tls(stream) => {
                let (tcp, connection) = match *stream {
                    TlsStream::Server(stream) => {
                        let (tcp, connection): (_, ServerConnection) = stream.into_inner();
                        (tcp, Connection::from(connection))
                    }
                    TlsStream::Client(stream) => {
                        let (tcp, connection) = stream.into_inner();
                        (tcp, Connection::from(connection))
                    }
                };
                Self { tcp, tls: Some(Box::new(Mutex::new(connection))) }
            }
        }
    }

    /// Waits until there may be something to read.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.tcp.readable().await
    }

    /// Waits until the kernel takes more.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.tcp.writable().await
    }

    /// Reads what is there without blocking; nothing at the end.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &self.tls else { return self.tcp.try_read(buffer) };
        let mut tls = tls.lock();
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The peer has hung up without TLS' goodbye: a WebSocket has one of its own.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            tls.read_tls(&mut Raw(&self.tcp))?;
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    /// Says that nothing more comes from here.
    pub(super) fn finish(&self) {
        if let Some(tls) = &self.tls {
            let mut tls = tls.lock();
            tls.send_close_notify();
            // What the kernel does not take now, nobody waits for.
            let _ = self.push(&mut tls);
        }
        let _ = rustix::net::shutdown(&self.tcp, rustix::net::Shutdown::Write);
    }

    /// Ends both directions.
    pub(super) fn cut(&self) {
        let _ = rustix::net::shutdown(&self.tcp, rustix::net::Shutdown::Both);
    }

    /// Gives the kernel what TLS has ready.
    fn push(&self, tls: &mut Connection) -> io::Result<()> {
        while tls.wants_write() {
            tls.write_tls(&mut Raw(&self.tcp))?;
        }
        Ok(())
    }

    /// Writes through TLS: nothing while the kernel has not taken what went
    /// before, so that what waits is counted where it waits.
    fn write_tls(&self, tls: &Mutex<Connection>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut tls = tls.lock();
        self.push(&mut tls)?;
        let written = tls.writer().write_vectored(slices)?;
        match self.push(&mut tls) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(written),
        }
    }
}

impl Transport for Link {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.tls {
            None => self.tcp.try_write(bytes),
            Some(tls) => self.write_tls(tls, &[IoSlice::new(bytes)]),
        }
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.tls {
            None => self.tcp.try_write_vectored(slices),
            Some(tls) => self.write_tls(tls, slices),
        }
    }

    fn try_flush(&self) -> io::Result<()> {
        self.tls.as_ref().map_or(Ok(()), |tls| self.push(&mut tls.lock()))
    }
}

// === impl Raw ===

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
