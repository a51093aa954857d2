//! A command's answer and how it is written in JSON; XML is in `xml.rs`. The spacing is the original's (catalog/README.md "JSON").
use serde::Serialize;
use serde_json::{Map, Value};
use stratus_model::{Error, Result};

type Item = Box<dyn erased_serde::Serialize + Send + Sync>;

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
    pub fn list<V: Serialize + Send + Sync + 'static>(count: i64, views: Vec<V>) -> Self {
        Self(Body::List { count: Some(count), items: views.into_iter().map(|v| Box::new(v) as Item).collect() })
    }
    /// One thing under the answer's key.
    pub fn one<V: Serialize + Send + Sync + 'static>(view: V) -> Self {
        Self(Body::One(Box::new(view)))
    }
    /// A record whose fields stand in the response itself.
    pub fn inline<V: Serialize + Send + Sync + 'static>(view: V) -> Self {
        Self(Body::Inline(Box::new(view)))
    }
    /// Done, nothing to show.
    pub fn success() -> Self {
        Self(Body::Success)
    }

    /// The whole document in JSON. `key` names the object or the list's elements.
    pub fn json(&self, wrapper: &str, key: Option<&str>) -> Result<String> {
        let key = key.unwrap_or("object");
        let mut out = format!("{{ {} : ", Value::from(wrapper));
        match &self.0 {
            Body::List { count: Some(0), .. } => out.push_str("{ } }"),
            Body::List { count: None, items } if items.is_empty() => out.push_str("{ } }"),
            Body::List { count: Some(n), items } if items.is_empty() => out.push_str(&format!("{{ \"count\":{n} }} }}")),
            Body::List { count, items } => {
                out.push_str("{ ");
                if let Some(n) = count {
                    out.push_str(&format!("\"count\":{n} ,"));
                }
                out.push_str(&format!("{} : [  ", Value::from(key)));
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    push(&mut out, item)?;
                }
                out.push_str(" ] } }");
            }
            Body::One(item) => {
                out.push_str(&format!(" {{ {} : ", Value::from(key)));
                push(&mut out, item)?;
                out.push_str(" }  }");
            }
            Body::Inline(item) => {
                push(&mut out, item)?;
                out.push_str(" }");
            }
            Body::Success => out.push_str("{ \"success\" : \"true\"}  }"),
        }
        Ok(out)
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
                    map.insert(key.into(), items.iter().map(value).collect::<Result<Vec<_>>>()?.into());
                }
            }
            Body::One(item) => {
                map.insert(key.into(), value(item)?);
            }
            Body::Inline(item) => return value(item),
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

fn push(out: &mut String, item: &Item) -> Result<()> {
    let bytes = serde_json::to_string(item.as_ref()).map_err(Error::internal)?;
    out.push_str(&bytes);
    Ok(())
}

fn value(item: &Item) -> Result<Value> {
    serde_json::to_value(item.as_ref()).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Z {
        id: &'static str,
    }

    #[test]
    fn json_is_spaced_as_the_original_does() {
        let list = Answer::list(2, vec![Z { id: "a" }, Z { id: "b" }]);
        let want = r#"{ "listzonesresponse" : { "count":2 ,"zone" : [  {"id":"a"}, {"id":"b"} ] } }"#;
        assert_eq!(list.json("listzonesresponse", Some("zone")).expect("json"), want);
        assert_eq!(Answer::list(0, Vec::<Z>::new()).json("x", Some("zone")).expect("json"), r#"{ "x" : { } }"#);
        assert_eq!(Answer::list(9, Vec::<Z>::new()).json("x", Some("zone")).expect("json"), r#"{ "x" : { "count":9 } }"#);
        assert_eq!(Answer::one(Z { id: "a" }).json("x", Some("zone")).expect("json"), r#"{ "x" :  { "zone" : {"id":"a"} }  }"#);
        assert_eq!(Answer::success().json("x", None).expect("json"), r#"{ "x" : { "success" : "true"}  }"#);
        assert_eq!(Answer::success().job_result(None).expect("json"), r#"{"success":true}"#);
    }
}
