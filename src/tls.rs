//! One provider of cryptography for whatever in this process speaks TLS without bringing its own.

/// Chooses ring. Said twice, the first time counts.
pub fn install() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
