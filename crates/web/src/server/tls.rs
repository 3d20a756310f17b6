//! TLS to clients, with certificates that are read again when they change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use holdfast_types::{Code, Error, Result};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(5);
/// Protocols that are offered (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificate that a listener shows. Clones share it.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<Arc<ServerConfig>>>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Reads a certificate chain and its key, both PEM, and reads them again whenever one of the files changes.
    /// A pair that cannot be used is refused here; later it is logged, and the one before stays.
    pub fn open(certificate: &Path, key: &Path) -> Result<Self> {
        let tls = Self(Arc::new(RwLock::new(read(certificate, key)?)));
        let (watched, files) = (tls.clone(), [certificate.to_owned(), key.to_owned()]);
        tokio::spawn(async move { watched.watch(&files).await });
        Ok(tls)
    }

    /// Refuses a pair that cannot be used, without using it.
    pub fn check(certificate: &Path, key: &Path) -> Result<()> {
        read(certificate, key).map(|_| ())
    }

    async fn watch(&self, files: &[PathBuf; 2]) {
        let mut seen = changed(files);
        loop {
            tokio::time::sleep(LOOK).await;
            let now = changed(files);
            if now == seen {
                continue;
            }
            match read(&files[0], &files[1]) {
                Ok(config) => {
                    *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
                    seen = now;
                    tracing::info!("the certificate was read again");
                }
                // Perhaps only one of the two is new yet: the next look tries again.
                Err(error) => tracing::warn!(%error, "the certificate before stays"),
            }
        }
    }

    /// Shakes hands with a client.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn changed(files: &[PathBuf; 2]) -> [Option<SystemTime>; 2] {
    files.each_ref().map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok())
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let refuse = |path: &Path, error: &dyn std::fmt::Display| {
        Error::new(Code::InvalidParameter, format!("{}: {error}", path.display()))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| refuse(certificate, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| refuse(key, &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| refuse(certificate, &error))?;
    config.alpn_protocols = PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}
