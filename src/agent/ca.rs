//! The server as its own certificate authority: it makes itself a certificate that agents know, and agents certificates that it knows.
//! All servers of a farm share the authority, whose key stands sealed in the database.
use crate::counter::ALPN;
use crate::link::Links;
use crate::token::fingerprint;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// The name that every server's certificate is for, whatever address it is reached by: agents trust the authority, not names.
pub const SERVER_NAME: &str = "stratus-server";
/// How long an agent's certificate is good.
pub const GOOD_FOR: Duration = Duration::from_secs(2 * 365 * 86_400);
/// How long before its end an agent renews it.
pub const RENEW: Duration = Duration::from_secs(365 * 86_400);
/// Clocks of machines differ by so much at most.
const SKEW: Duration = Duration::from_secs(3600);
/// The authority outlives the product.
const FOR_EVER: Duration = Duration::from_secs(50 * 365 * 86_400);

/// Something of a certificate could not be made or read; the text never holds a key.
#[derive(Debug, thiserror::Error)]
#[error("certificates: {0}")]
pub struct CaError(String);

impl CaError {
    pub(crate) fn of(e: impl std::fmt::Display) -> Self {
        Self(e.to_string())
    }
}

type Done<T> = Result<T, CaError>;

/// The authority: a certificate that agents pin, and the key that signs.
pub struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate that was made for an agent.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, PEM.
    pub pem: String,
    /// SHA-256 of it, by which the server knows the agent.
    pub fingerprint: String,
    /// Until when it is good.
    pub until: SystemTime,
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Stratus");
    name.push(DnType::CommonName, common_name);
    name
}

/// What an authority's certificate says; the same each time, so that the key alone brings it back.
fn authority_params() -> CertificateParams {
    let mut p = CertificateParams::default();
    p.distinguished_name = named("Stratus agents");
    p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    p.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    p
}

fn valid(p: &mut CertificateParams, from: SystemTime, until: SystemTime) {
    (p.not_before, p.not_after) = (OffsetDateTime::from(from - SKEW), OffsetDateTime::from(until));
}

impl Authority {
    /// A new authority as (certificate, key) in PEM. The key is for the sealer and nobody else.
    pub fn make(now: SystemTime) -> Done<(String, String)> {
        let key = KeyPair::generate().map_err(CaError::of)?;
        let mut params = authority_params();
        valid(&mut params, now, now + FOR_EVER);
        let certificate = params.self_signed(&key).map_err(CaError::of)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// What [`Authority::make`] made.
    pub fn open(certificate: &str, key: &str) -> Done<Self> {
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(CaError::of)?;
        let key = KeyPair::from_pem(key).map_err(|_| CaError("the authority's key cannot be read".into()))?;
        Ok(Self { pem: certificate.to_owned(), der, issuer: Issuer::new(authority_params(), key) })
    }

    /// The certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.pem
    }

    /// Links to images, signed with what comes of the authority's key: all servers of a farm have it, and nobody else.
    ///
    /// # Errors
    /// The key is of no use for that.
    pub fn links(&self) -> Done<Links> {
        Links::of(&self.issuer.key().serialize_der())
    }

    /// SHA-256 of the certificate: what a token pins.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.der)
    }

    /// Signs the key of a request for an agent; what else the request says does not count.
    pub fn sign(&self, request: &str, identity: &str, now: SystemTime, good_for: Duration) -> Done<Issued> {
        let mut request = CertificateSigningRequestParams::from_pem(request).map_err(CaError::of)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named(identity);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let until = now + good_for;
        valid(&mut params, now, until);
        request.params = params;
        let made = request.signed_by(&self.issuer).map_err(CaError::of)?;
        Ok(Issued { fingerprint: fingerprint(made.der()), pem: made.pem(), until })
    }

    /// TLS of a server: a certificate of its own for this start; agents may come without one, to enrol.
    pub fn server_config(&self, now: SystemTime) -> Done<ServerConfig> {
        let key = KeyPair::generate().map_err(CaError::of)?;
        let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()]).map_err(CaError::of)?;
        params.distinguished_name = named(SERVER_NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid(&mut params, now, now + FOR_EVER);
        let own = params.signed_by(&key, &self.issuer).map_err(CaError::of)?;
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).map_err(CaError::of)?;
        let provider = Arc::new(default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let clients = clients.allow_unauthenticated().build().map_err(CaError::of)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(CaError::of)?
            .with_client_cert_verifier(clients)
            // The authority's certificate goes along, for agents that know it by its fingerprint only.
            .with_single_cert(vec![own.der().clone(), self.der.clone()], key)
            .map_err(CaError::of)?;
        // An agent's own protocol asks for none.
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }
}

/// A new key and a request for a certificate of it, PEM both.
pub fn request() -> Done<(String, String)> {
    let key = KeyPair::generate().map_err(CaError::of)?;
    let request = CertificateParams::default().serialize_request(&key).map_err(CaError::of)?;
    Ok((key.serialize_pem(), request.pem().map_err(CaError::of)?))
}
