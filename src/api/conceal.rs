//! Passwords in the results of jobs. A result rests in the database until its caller fetches it: what stands under `password` is
//! sealed there, opened for who asks for that one job, and left out of lists of jobs.
use serde_json::Value;
use stratus_model::{Error, Result};
use stratus_store::Sealer;

const FIELD: &str = "password";
const SEALED: &str = "sealed";

fn each(value: &mut Value, change: &mut dyn FnMut(&mut serde_json::Map<String, Value>) -> Result<()>) -> Result<()> {
    match value {
        Value::Object(map) => {
            if map.contains_key(FIELD) {
                change(map)?;
            }
            map.values_mut().try_for_each(|v| each(v, change))
        }
        Value::Array(items) => items.iter_mut().try_for_each(|v| each(v, change)),
        _ => Ok(()),
    }
}

/// A result as it is kept.
pub(crate) fn seal(sealer: &Sealer, result: String) -> Result<String> {
    if !result.contains("\"password\":") {
        return Ok(result);
    }
    let mut value: Value = serde_json::from_str(&result).map_err(Error::internal)?;
    each(&mut value, &mut |map| {
        if let Some(Value::String(plain)) = map.get(FIELD) {
            let sealed = sealer.seal(plain)?;
            map.insert(FIELD.into(), serde_json::json!({ SEALED: sealed }));
        }
        Ok(())
    })?;
    Ok(value.to_string())
}

/// A result as its caller reads it.
pub(crate) fn open(sealer: &Sealer, result: &mut Value) -> Result<()> {
    each(result, &mut |map| {
        if let Some(sealed) = map.get(FIELD).and_then(|p| p.get(SEALED)).and_then(Value::as_str) {
            let plain = sealer.open(sealed)?;
            map.insert(FIELD.into(), plain.into());
        }
        Ok(())
    })
}

/// A result without its passwords.
pub(crate) fn strip(result: &mut Value) {
    // Removing cannot fail.
    let _ = each(result, &mut |map| {
        if map.get(FIELD).is_some_and(|p| p.get(SEALED).is_some()) {
            map.remove(FIELD);
        }
        Ok(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_rests_sealed_and_comes_back_to_its_caller_only() {
        let sealer = Sealer::new(&[1; 32]);
        let plain = serde_json::json!({ "virtualmachine": { "id": "x", "passwordenabled": true, "password": "s3cret" } });
        let kept = seal(&sealer, plain.to_string()).expect("sealed");
        assert!(!kept.contains("s3cret"), "{kept}");
        let mut read: Value = serde_json::from_str(&kept).expect("json");
        let mut listed = read.clone();
        open(&sealer, &mut read).expect("opens");
        assert_eq!(read, plain);
        strip(&mut listed);
        assert_eq!(listed, serde_json::json!({ "virtualmachine": { "id": "x", "passwordenabled": true } }));
        let other = r#"{"id":"y"}"#.to_owned();
        assert_eq!(seal(&sealer, other.clone()).expect("left alone"), other);
    }
}
