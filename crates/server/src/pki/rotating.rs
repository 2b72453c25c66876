//! The gateway's own certificate: renewed in memory when it is asked for, never written down, no restart.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quell_engine::Clock;
use quell_wire::path::GATEWAY_NAME;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Authority, Error};

/// Thirty days; a new one is made when a third is left.
const LIFE: Duration = Duration::from_hours(30 * 24);

/// Hands the current certificate to each handshake.
///
/// It is renewed by the handshake that finds it old, not by a timer: what nobody uses needs no renewal.
pub struct GatewayCertificate {
    authority: Arc<Authority>,
    provider: Arc<CryptoProvider>,
    names: Vec<String>,
    life: Duration,
    clock: Arc<dyn Clock>,
    current: Mutex<(Arc<CertifiedKey>, i64)>,
}

impl std::fmt::Debug for GatewayCertificate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "GatewayCertificate({:?})", self.names)
    }
}

impl GatewayCertificate {
    /// A certificate under the one name that agents verify.
    pub fn new(
        authority: Arc<Authority>,
        provider: Arc<CryptoProvider>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        Self::with(authority, provider, vec![GATEWAY_NAME.to_owned()], LIFE, clock)
    }

    /// The same under other names and with another life.
    pub fn with(
        authority: Arc<Authority>,
        provider: Arc<CryptoProvider>,
        names: Vec<String>,
        life: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let current = Mutex::new(make(&authority, &provider, &names, life, clock.now())?);
        Ok(Self { authority, provider, names, life, clock, current })
    }

    /// The current certificate; a fresh one when the last third of its life has begun.
    pub fn current(&self) -> Arc<CertifiedKey> {
        let now_us = self.clock.now();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let third = i64::try_from(self.life.as_micros() / 3).unwrap_or(i64::MAX);
        if current.1.saturating_sub(now_us) < third {
            match make(&self.authority, &self.provider, &self.names, self.life, now_us) {
                Ok(fresh) => *current = fresh,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the gateway's certificate was not renewed"
                    );
                }
            }
        }
        Arc::clone(&current.0)
    }
}

impl ResolvesServerCert for GatewayCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

fn make(
    authority: &Authority,
    provider: &CryptoProvider,
    names: &[String],
    life: Duration,
    now_us: i64,
) -> Result<(Arc<CertifiedKey>, i64), Error> {
    let (issued, key) = authority.issue_server(names, now_us, life)?;
    // The authority goes along: an agent that holds its digest only learns the certificate from here.
    let chain = vec![CertificateDer::from(issued.certificate), authority.certificate().clone()];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    Ok((Arc::new(CertifiedKey::from_der(chain, key, provider)?), issued.not_after_us))
}
