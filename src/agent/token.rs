//! The one-time text that makes a machine an agent: a secret that the server knows the hash of, and the fingerprint by which the agent
//! knows the server.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Says what the text is and which form it has.
const PREFIX: &str = "stratus1";

/// A token. It prints as dots; [`Token::text`] is what the operator carries to the machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// 32 random bytes as text.
    pub secret: String,
    /// SHA-256 of the authority's certificate, lower-case hex.
    pub authority: String,
}

impl Token {
    /// A new one for the servers of this authority.
    pub fn new(authority: &str) -> Self {
        Self { secret: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()), authority: authority.to_owned() }
    }
    /// The text to carry to the machine.
    pub fn text(&self) -> String {
        format!("{PREFIX}.{}.{}", self.secret, self.authority)
    }
}

/// What a server keeps of a token's secret, a certificate or a key: SHA-256 in lower-case hex.
pub fn fingerprint(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl FromStr for Token {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().split('.');
        let (Some(PREFIX), Some(secret), Some(authority), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err("the token has to be copied whole: stratus1.….…");
        };
        if secret.len() < 32 || authority.len() != 64 || !authority.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("the token is cut off or mistyped");
        }
        Ok(Self { secret: secret.to_owned(), authority: authority.to_lowercase() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_being_carried_and_nothing_shorter_does() {
        let token = Token::new(&fingerprint(b"authority"));
        let text = token.text();
        assert_eq!(format!(" {text}\n").parse(), Ok(token.clone()));
        assert_eq!(format!("{token:?}"), "Token(…)");
        for bad in ["", "stratus1", &text[1..], &text[..text.len() - 1], &format!("{text}.x")] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
