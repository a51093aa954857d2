//! XDR (RFC 4506), as far as libvirt's protocol uses it: everything is big-endian and padded to four bytes.

/// Longest text that a daemon may send us: what libvirt itself allows (`VIR_NET_MESSAGE_STRING_MAX`).
const TEXT_MAX: usize = 4 << 20;

/// Arguments of a call as they are put together.
#[derive(Debug, Default)]
pub(crate) struct Out(pub Vec<u8>);

impl Out {
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
    pub fn i32(self, value: i32) -> Self {
        self.u32(value.cast_unsigned())
    }
    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }
    pub fn text(mut self, value: &str) -> Self {
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self = self.u32(length);
        self.0.extend_from_slice(value.as_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }
    /// A text that may be absent; this one is there.
    pub fn some(self, value: &str) -> Self {
        self.u32(1).text(value)
    }
    pub fn fixed(mut self, value: &[u8; 16]) -> Self {
        self.0.extend_from_slice(value);
        self
    }
}

/// An answer as it is taken apart. An error is the place where it ends too early.
pub(crate) struct In<'a>(pub &'a [u8]);

/// The answer is not what the protocol says.
#[derive(Debug, thiserror::Error)]
#[error("an answer of libvirt's ends in the middle of {0}")]
pub(crate) struct Short(&'static str);

impl<'a> In<'a> {
    fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Short> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Short(what))?;
        self.0 = tail;
        Ok(head)
    }
    pub fn u32(&mut self) -> Result<u32, Short> {
        let bytes = self.take(4, "a number")?;
        Ok(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }
    pub fn i32(&mut self) -> Result<i32, Short> {
        self.u32().map(u32::cast_signed)
    }
    pub fn u64(&mut self) -> Result<u64, Short> {
        let bytes = self.take(8, "a number")?;
        Ok(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
    pub fn text(&mut self) -> Result<String, Short> {
        let length = self.u32()? as usize;
        if length > TEXT_MAX {
            return Err(Short("a text"));
        }
        let bytes = self.take(length.next_multiple_of(4), "a text")?;
        Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }
    /// A text that may be absent.
    pub fn maybe(&mut self) -> Result<Option<String>, Short> {
        if self.u32()? == 0 { Ok(None) } else { self.text().map(Some) }
    }
    pub fn fixed(&mut self) -> Result<[u8; 16], Short> {
        let bytes = self.take(16, "a uuid")?;
        let mut uuid = [0; 16];
        uuid.copy_from_slice(bytes);
        Ok(uuid)
    }
}

/// A value of a "typed parameter", as far as we read those.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Any of the numbers.
    Number(u64),
    /// A floating-point number, its bits.
    Float,
    /// A text.
    Text(String),
}

/// Named values: `(name, value)`.
pub(crate) fn parameters(input: &mut In<'_>) -> Result<Vec<(String, Value)>, Short> {
    let count = input.u32()?;
    let mut all = Vec::new();
    for _ in 0..count {
        let name = input.text()?;
        let value = match input.i32()? {
            // int, unsigned int, boolean; a negative one is nothing that we ask for
            1 | 2 | 6 => Value::Number(u64::from(input.u32()?)),
            3 | 4 => Value::Number(input.u64()?),
            5 => input.u64().map(|_| Value::Float)?,
            7 => Value::Text(input.text()?),
            _ => return Err(Short("a parameter of unknown type")),
        };
        all.push((name, value));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let bytes = Out::default().text("five5").some("x").u32(0).u64(1 << 40).i32(-1).fixed(&[7; 16]).0;
        assert_eq!(bytes.len() % 4, 0);
        let mut input = In(&bytes);
        assert_eq!(input.text().unwrap(), "five5");
        assert_eq!(input.maybe().unwrap().as_deref(), Some("x"));
        assert_eq!(input.maybe().unwrap(), None);
        assert_eq!(input.u64().unwrap(), 1 << 40);
        assert_eq!(input.i32().unwrap(), -1);
        assert_eq!(input.fixed().unwrap(), [7; 16]);
        assert!(input.u32().is_err());
    }

    #[test]
    fn a_length_beyond_the_end_is_refused() {
        for length in [5_u32, 1 << 30, u32::MAX] {
            let bytes = Out::default().u32(length).u32(0).0;
            assert!(In(&bytes).text().is_err(), "{length}");
        }
    }
}
