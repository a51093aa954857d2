//! A command's answer and how it is written in JSON; XML is in `xml.rs`. The spacing is the original's (catalog/README.md "JSON").
use crate::declare::Record;
use serde_json::{Map, Value};
use stratus_model::json::{push_number, push_text};
use stratus_model::{Error, Result};

type Item = Box<dyn Record>;

enum Body {
    List { count: Option<i64>, items: Vec<Item> },
    One(Item),
    Inline(Item),
    Success,
}

/// What a command answers, before a format is chosen.
pub struct Answer(Body);

impl Answer {
    /// A page of a list; `count` is how many there are in all.
    pub fn list<V: Record + 'static>(count: i64, views: Vec<V>) -> Self {
        Self(Body::List { count: Some(count), items: views.into_iter().map(|v| Box::new(v) as Item).collect() })
    }
    /// One thing under the answer's key.
    pub fn one<V: Record + 'static>(view: V) -> Self {
        Self(Body::One(Box::new(view)))
    }
    /// A record whose fields stand in the response itself.
    pub fn inline<V: Record + 'static>(view: V) -> Self {
        Self(Body::Inline(Box::new(view)))
    }
    /// Done, nothing to show.
    pub fn success() -> Self {
        Self(Body::Success)
    }

    /// The whole document in JSON. `key` names the object or the list's elements.
    pub fn json(&self, wrapper: &str, key: Option<&str>) -> Result<String> {
        let key = key.unwrap_or("object");
        let mut out = Vec::with_capacity(self.length());
        out.extend_from_slice(b"{ ");
        push_text(&mut out, wrapper);
        out.extend_from_slice(b" : ");
        match &self.0 {
            Body::List { count: Some(0) | None, items } if items.is_empty() => out.extend_from_slice(b"{ } }"),
            Body::List { count: Some(n), items } if items.is_empty() => {
                out.extend_from_slice(b"{ \"count\":");
                push_number(&mut out, *n);
                out.extend_from_slice(b" } }");
            }
            Body::List { count, items } => {
                out.extend_from_slice(b"{ ");
                if let Some(n) = count {
                    out.extend_from_slice(b"\"count\":");
                    push_number(&mut out, *n);
                    out.extend_from_slice(b" ,");
                }
                push_text(&mut out, key);
                out.extend_from_slice(b" : [  ");
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.extend_from_slice(b", ");
                    }
                    item.json(&mut out);
                }
                out.extend_from_slice(b" ] } }");
            }
            Body::One(item) => {
                out.extend_from_slice(b" { ");
                push_text(&mut out, key);
                out.extend_from_slice(b" : ");
                item.json(&mut out);
                out.extend_from_slice(b" }  }");
            }
            Body::Inline(item) => {
                item.json(&mut out);
                out.extend_from_slice(b" }");
            }
            Body::Success => out.extend_from_slice(b"{ \"success\" : \"true\"}  }"),
        }
        String::from_utf8(out).map_err(Error::internal)
    }

    /// About how many bytes it will be, so that a long page is not moved while it grows.
    fn length(&self) -> usize {
        match &self.0 {
            Body::List { items, .. } => 256 + 2048 * items.len(),
            _ => 2048,
        }
    }

    /// What stands under the response's key, as a tree: for XML and for other doors.
    pub fn tree(&self, key: Option<&str>) -> Result<Value> {
        let key = key.unwrap_or("object");
        let mut map = Map::new();
        match &self.0 {
            Body::List { count, items } => {
                if let Some(n) = count.filter(|n| *n > 0) {
                    map.insert("count".into(), n.into());
                }
                if !items.is_empty() {
                    map.insert(key.into(), items.iter().map(|i| i.tree()).collect::<Vec<_>>().into());
                }
            }
            Body::One(item) => {
                map.insert(key.into(), item.tree());
            }
            Body::Inline(item) => return Ok(item.tree()),
            Body::Success => {
                map.insert("success".into(), "true".into());
            }
        }
        Ok(Value::Object(map))
    }

    /// As a job's result: the thing under its key, success as a boolean.
    pub fn job_result(&self, key: Option<&str>) -> Result<String> {
        match &self.0 {
            Body::Success => Ok("{\"success\":true}".into()),
            _ => Ok(self.tree(key)?.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn z(id: &str) -> Value {
        json!({ "id": id })
    }

    #[test]
    fn json_is_spaced_as_the_original_does() {
        let list = Answer::list(2, vec![z("a"), z("b")]);
        let want = r#"{ "listzonesresponse" : { "count":2 ,"zone" : [  {"id":"a"}, {"id":"b"} ] } }"#;
        assert_eq!(list.json("listzonesresponse", Some("zone")).expect("json"), want);
        assert_eq!(Answer::list(0, Vec::<Value>::new()).json("x", Some("zone")).expect("json"), r#"{ "x" : { } }"#);
        assert_eq!(Answer::list(9, Vec::<Value>::new()).json("x", Some("zone")).expect("json"), r#"{ "x" : { "count":9 } }"#);
        assert_eq!(Answer::one(z("a")).json("x", Some("zone")).expect("json"), r#"{ "x" :  { "zone" : {"id":"a"} }  }"#);
        assert_eq!(Answer::success().json("x", None).expect("json"), r#"{ "x" : { "success" : "true"}  }"#);
        assert_eq!(Answer::success().job_result(None).expect("json"), r#"{"success":true}"#);
    }
}
