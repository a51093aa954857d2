//! Answers in XML: one tree, repeated elements for lists, no holder around them, null left out (catalog/README.md "XML").
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use serde_json::Value;
use stratus_model::{Error, Result};

/// The release whose wire shapes these are.
pub const LEVEL: &str = "4.3.0";

/// A whole document: the root has the level as attribute.
pub fn document(root: &str, tree: &Value) -> Result<String> {
    let mut w = Writer::new(Vec::new());
    let io = |e: std::io::Error| Error::internal(e);
    w.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None))).map_err(io)?;
    let mut start = BytesStart::new(root);
    start.push_attribute(("cloud-stack-version", LEVEL));
    w.write_event(Event::Start(start)).map_err(io)?;
    children(&mut w, tree).map_err(io)?;
    w.write_event(Event::End(BytesEnd::new(root))).map_err(io)?;
    String::from_utf8(w.into_inner()).map_err(Error::internal)
}

fn children(w: &mut Writer<Vec<u8>>, tree: &Value) -> std::io::Result<()> {
    let Value::Object(map) = tree else { return Ok(()) };
    for (name, v) in map {
        match v {
            // Lists of plain texts vanish, as they do in the original.
            Value::Array(items) => items.iter().filter(|i| i.is_object()).try_for_each(|i| element(w, name, i))?,
            Value::Null => {}
            other => element(w, name, other)?,
        }
    }
    Ok(())
}

fn element(w: &mut Writer<Vec<u8>>, name: &str, v: &Value) -> std::io::Result<()> {
    w.write_event(Event::Start(BytesStart::new(name)))?;
    match v {
        Value::Object(map) if name.ends_with("details") => {
            let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{k}={}", plain(v))).collect();
            w.write_event(Event::Text(BytesText::new(&format!("{{{}}}", pairs.join(", ")))))?;
        }
        Value::Object(_) => children(w, v)?,
        other => w.write_event(Event::Text(BytesText::new(&clean(&plain(other)))))?,
    }
    w.write_event(Event::End(BytesEnd::new(name)))
}

fn plain(v: &Value) -> String {
    match v {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// XML 1.0 has no control characters but tab and line ends.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_repeat_their_element_and_maps_print_as_pairs() {
        let tree = json!({"count": 1, "zone": [{"name": "a<b", "tags": [{"key": "k"}], "names": ["x"], "details": {"a": "1", "b": "2"}, "none": null}]});
        let want = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><listzonesresponse cloud-stack-version=\"4.3.0\"><count>1</count>\
                    <zone><name>a&lt;b</name><tags><key>k</key></tags><details>{a=1, b=2}</details></zone></listzonesresponse>";
        assert_eq!(document("listzonesresponse", &tree).expect("xml"), want);
    }
}
