//! The wire to a relay: bounded, and read so that nothing said before the encryption is taken for something said after it.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// The most that a relay may say on one connection, in bytes.
const MOST: usize = 1 << 20;
/// What a TLS handshake begins with, and no SMTP command does (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// A connection to a relay.
///
/// Until TLS begins, bytes are handed on one by one: whoever reads by lines then holds nothing back that came after the
/// answer to STARTTLS, and an injected line ends the handshake instead of passing for the relay's word.
pub(super) struct Line<S> {
    stream: S,
    peer: SocketAddr,
    left: usize,
    is_encrypted: bool,
}

impl Line<TcpStream> {
    /// A connection that begins in the clear.
    pub fn plain(stream: TcpStream, peer: SocketAddr) -> Self {
        Self { stream, peer, left: MOST, is_encrypted: false }
    }
}

impl Line<TlsStream<TcpStream>> {
    /// One that is encrypted from the first byte.
    pub fn encrypted(stream: TlsStream<TcpStream>, peer: SocketAddr) -> Self {
        Self { stream, peer, left: MOST, is_encrypted: true }
    }
}

impl<S> fmt::Debug for Line<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Line")
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Line<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Line<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the relay says too much")));
        }
        let room = if self.is_encrypted { into.remaining().min(self.left) } else { 1 };
        let read = {
            let mut part = ReadBuf::new(into.initialize_unfilled_to(room));
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut part))?;
            part.filled().len()
        };
        into.advance(read);
        self.left -= read;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Line<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_encrypted |= bytes.first() == Some(&HANDSHAKE);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
