//! `MaxResults` and `NextToken`. A token is sealed with the server's key (so it cannot be made up) and says for whom, for which request
//! and until when it is good, and at which thing the next page begins.
use crate::{Cx, Fault, Outcome};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A token is good for a day.
const LIFE: i64 = 24 * 3600 * 1_000_000;

/// What page a request asks for.
#[derive(Debug)]
pub struct Page {
    /// The position at which it begins.
    pub start: u64,
    size: Option<usize>,
}

/// Reads the page that a request asks for.
pub fn parse(cx: &Cx) -> Outcome<Page> {
    let Some(paging) = &cx.action.paging else { return Ok(Page { start: 0, size: None }) };
    let size = match cx.input.get("MaxResults") {
        None => None,
        Some(text) => {
            let range = paging.min..=paging.max;
            let size = text.parse::<i64>().ok().filter(|n| range.contains(n));
            let why = || Fault::invalid("MaxResults", format!("must be from {} to {}", paging.min, paging.max));
            size.map(|n| usize::try_from(n).unwrap_or(usize::MAX)).ok_or_else(why).map(Some)?
        }
    };
    let by_ids = cx.action.ids.iter().any(|ids| cx.input.any(&ids.parameter));
    if size.is_some() && by_ids && paging.not_with_ids {
        return Err(Fault::combination("MaxResults cannot be combined with ids"));
    }
    let start = match cx.input.get("NextToken") {
        Some(token) => open(cx, token)?,
        None => 0,
    };
    Ok(Page { start, size })
}

impl Page {
    /// The most that it holds; nothing when all is asked for.
    pub const fn size(&self) -> Option<usize> {
        self.size
    }

    /// The page of records that were read whole, and the token for what follows.
    pub fn cut(&self, cx: &Cx, records: Vec<Value>) -> Outcome<(Vec<Value>, Option<String>)> {
        let (total, start) = (records.len(), usize::try_from(self.start).unwrap_or(usize::MAX));
        let end = self.size.map_or(total, |size| start.saturating_add(size)).min(total);
        let page = records.into_iter().skip(start).take(end.saturating_sub(start)).collect();
        let next = if end < total { Some(seal(cx, end as u64)?) } else { None };
        Ok((page, next))
    }
}

fn scope(cx: &Cx) -> String {
    let asked = format!("{}|{}|{}", cx.caller.account_uuid, cx.action.name, cx.input.essence());
    Sha256::digest(asked.as_bytes()).iter().take(16).map(|b| format!("{b:02x}")).collect()
}

/// The token of a page that begins at a position.
pub fn seal(cx: &Cx, start: u64) -> Outcome<String> {
    let until = cx.now() + LIFE;
    let sealed = cx.engine().sealer.seal(&format!("{}|{until}|{start}", scope(cx)))?;
    // Base64's `+` and `/` become what a URL takes.
    Ok(sealed.replace('+', "-").replace('/', "_"))
}

fn open(cx: &Cx, token: &str) -> Outcome<u64> {
    let bad = || Fault::new("InvalidNextToken", "The token is not one of this request, or it has expired");
    let text = cx.engine().sealer.open(&token.replace('-', "+").replace('_', "/")).map_err(|_| bad())?;
    let mut parts = text.split('|');
    let whose = parts.next() == Some(scope(cx).as_str());
    let fresh = parts.next().and_then(|t| t.parse::<i64>().ok()).is_some_and(|until| cx.now() <= until);
    parts.next().and_then(|t| t.parse().ok()).filter(|_| whose && fresh).ok_or_else(bad)
}
