//! Turns an endpoint string into a reader and a writer. Never interprets a byte.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

pub type Reader = Box<dyn Read + Send + Sync>;
pub type Writer = Box<dyn Write + Send + Sync>;

const CONNECT_AGAIN_AFTER: Duration = Duration::from_millis(5);

pub const USAGE: &str = "endpoints: stdio, tcp:HOST:PORT, tcp-listen:HOST:PORT, unix:PATH, \
                         unix-listen:PATH, serial:PATH";

/// Opens the endpoint; a listening one prints where it listens and waits for exactly one peer.
pub fn open(endpoint: &str) -> Result<(Reader, Writer), Box<dyn Error + Send + Sync>> {
    if endpoint == "stdio" {
        return Ok((Box::new(io::stdin()), Box::new(io::stdout())));
    }
    let (kind, place) = endpoint.split_once(':').ok_or(USAGE)?;
    match kind {
        "tcp" => tcp(patiently(|| TcpStream::connect(place))?),
        "tcp-listen" => {
            let listener = TcpListener::bind(place)?;
            announce(&format!("tcp:{}", listener.local_addr()?))?;
            tcp(listener.accept()?.0)
        }
        "unix" => unix(patiently(|| UnixStream::connect(place))?),
        "unix-listen" => {
            let listener = UnixListener::bind(place)?;
            announce(&format!("unix:{place}"))?;
            unix(listener.accept()?.0)
        }
        "serial" => serial(place),
        _ => Err(USAGE.into()),
    }
}

/// Connects as soon as somebody listens; the process's own deadline bounds it.
fn patiently<T>(connect: impl Fn() -> io::Result<T>) -> io::Result<T> {
    loop {
        match connect() {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                thread::sleep(CONNECT_AGAIN_AFTER);
            }
            result => return result,
        }
    }
}

fn announce(address: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{}", serde_json::json!({ "listening": address }))?;
    out.flush()
}

fn tcp(stream: TcpStream) -> Result<(Reader, Writer), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    Ok((Box::new(stream.try_clone()?), Box::new(stream)))
}

fn unix(stream: UnixStream) -> Result<(Reader, Writer), Box<dyn Error + Send + Sync>> {
    Ok((Box::new(stream.try_clone()?), Box::new(stream)))
}

fn serial(path: &str) -> Result<(Reader, Writer), Box<dyn Error + Send + Sync>> {
    let port = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path)?;
    make_raw(&port)?;
    Ok((Box::new(port.try_clone()?), Box::new(port)))
}

/// A terminal would echo, translate newlines and act on control characters; a wire must not.
fn make_raw(port: &File) -> io::Result<()> {
    let descriptor = port.as_raw_fd();
    // SAFETY: a termios is plain data, valid when zeroed, and the descriptor is open during both calls.
    let failed = unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(descriptor, &mut settings) != 0 {
            true
        } else {
            libc::cfmakeraw(&mut settings);
            settings.c_cflag |= libc::CLOCAL | libc::CREAD;
            settings.c_cc[libc::VMIN] = 1;
            settings.c_cc[libc::VTIME] = 0;
            libc::tcsetattr(descriptor, libc::TCSANOW, &settings) != 0
        }
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
