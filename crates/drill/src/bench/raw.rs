//! A client that costs next to nothing, so that the measurement is of the server: requests are bytes, and of an answer
//! only the status and the length are read.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Result;

/// A kept-alive connection.
pub(super) struct RawConnection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl RawConnection {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let stream = TcpStream::connect(authority(url)).await.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a whole request and reads the whole answer; anything but `status` is an error.
    pub(super) async fn exchange(&mut self, request: &[u8], status: &str) -> Result<()> {
        self.stream.write_all(request).await.map_err(|error| error.to_string())?;
        self.buffer.clear();
        loop {
            let count =
                self.stream.read_buf(&mut self.buffer).await.map_err(|error| error.to_string())?;
            if count == 0 {
                return Err("the connection was closed".to_owned());
            }
            if let Some(length) = answer_length(&self.buffer)
                && self.buffer.len() >= length
            {
                break;
            }
        }
        match self.buffer.get(9..12) == Some(status.as_bytes()) {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&self.buffer).into_owned()),
        }
    }
}

/// The host and port of a URL.
pub(super) fn authority(url: &str) -> &str {
    url.trim_end_matches('/').trim_start_matches("http://")
}

/// Bytes of headers and body, once the headers are there.
fn answer_length(buffer: &[u8]) -> Option<usize> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&buffer[..end]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(end + length.unwrap_or(0))
}
