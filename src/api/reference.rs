//! The reference at `/client/apidocs`: for each role the commands it may run, from the same declarations as `listApis`.
//!
//! Plain pages without scripts; every text is escaped, and the headers forbid the browser to load anything.
use crate::declare::{FieldMeta, Meta};
use crate::registry::Registry;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use std::fmt::Write;
use stratus_model::Role;

/// The roles in the address and in words.
const ROLES: [(&str, &str, Role); 4] = [
    ("admin", "Root administrator", Role::Admin),
    ("resourceadmin", "Resource administrator", Role::ResourceAdmin),
    ("domainadmin", "Domain administrator", Role::DomainAdmin),
    ("user", "User", Role::User),
];

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3em .6em;border-bottom:1px solid #ccc}\
code{font-family:monospace}a{color:#064f9e}.n{color:#555}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}a{color:#8ab8f0}.n{color:#aaa}}";

/// A text inside a page.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

impl Registry {
    /// The page at a path below `/client/apidocs`: none for the roles, a role for its commands, a role and a command for that.
    pub(crate) fn reference(&self, path: &str) -> Response {
        let mut parts = path.split('/').filter(|p| !p.is_empty());
        let (role, command, more) = (parts.next(), parts.next(), parts.next());
        let known = role.map(|r| ROLES.iter().find(|(word, ..)| *word == r));
        let page = match (known, command, more) {
            (None, ..) => Some(self.roles_page()),
            (Some(Some(role)), None, _) => Some(self.commands_page(role)),
            (Some(Some(role)), Some(command), None) => self.open_to(role.2).find(|m| m.name == command).map(|m| command_page(role, m)),
            _ => None,
        };
        match page {
            Some(page) => html(StatusCode::OK, page),
            None => {
                html(StatusCode::NOT_FOUND, frame("Not found", "<p>There is no such page. <a href=\"/client/apidocs\">All roles</a></p>"))
            }
        }
    }

    fn open_to(&self, role: Role) -> impl Iterator<Item = &Meta> {
        self.all().filter(move |m| m.roles & role as u8 != 0)
    }

    fn roles_page(&self) -> String {
        let mut body = String::from("<p>Commands of the native API, by who may run them.</p><ul>");
        for (word, name, role) in ROLES {
            let _ = write!(body, "<li><a href=\"/client/apidocs/{word}\">{name}</a> ({} commands)</li>", self.open_to(role).count());
        }
        body.push_str("</ul>");
        frame("API reference", &body)
    }

    fn commands_page(&self, (word, name, role): &(&str, &str, Role)) -> String {
        let mut body = String::from("<p><a href=\"/client/apidocs\">All roles</a>. A command marked (A) answers with a job.</p><table>");
        for m in self.open_to(*role) {
            let job = if m.job.is_some() { " (A)" } else { "" };
            let (command, text) = (escape(m.name), escape(m.description));
            let _ = write!(body, "<tr><td><a href=\"/client/apidocs/{word}/{command}\">{command}</a>{job}</td><td>{text}</td></tr>");
        }
        body.push_str("</table>");
        frame(&format!("API reference: {name}"), &body)
    }
}

fn command_page((word, name, _): &(&str, &str, Role), m: &Meta) -> String {
    let mut body = format!("<p><a href=\"/client/apidocs/{word}\">{name}</a></p><p>{}</p>", escape(m.description));
    let since = m.since.map_or(String::new(), |s| format!(" Since {}.", escape(s)));
    let job = if m.job.is_some() { "Asynchronous: answers with a job." } else { "Answers when it is done." };
    let _ = write!(body, "<p class=\"n\">{job}{since}</p><h2>Parameters</h2>");
    let mut parameters = (m.parameters)();
    parameters.sort_by_key(|p| (!p.required, p.name));
    if parameters.is_empty() {
        body.push_str("<p>None.</p>");
    } else {
        body.push_str("<table><tr><th>Name</th><th>Type</th><th>Required</th><th>Meaning</th></tr>");
    }
    for p in &parameters {
        let (name, text) = (escape(p.name), escape(p.description));
        let required = if p.required { "yes" } else { "no" };
        let _ = write!(body, "<tr><td><code>{name}</code></td><td>{}</td><td>{required}</td><td>{text}</td></tr>", escape(p.kind));
    }
    if !parameters.is_empty() {
        body.push_str("</table>");
    }
    body.push_str("<h2>Response</h2>");
    match m.response {
        Some(fields) => {
            body.push_str("<table><tr><th>Name</th><th>Type</th><th>Meaning</th></tr>");
            rows(&mut body, &fields(), 0);
            body.push_str("</table>");
        }
        None => body.push_str("<p><code>success</code>: true when it was done.</p>"),
    }
    frame(m.name, &body)
}

fn rows(body: &mut String, fields: &[FieldMeta], depth: usize) {
    for f in fields {
        let (name, text) = (escape(f.name), escape(f.description));
        let indent = "&nbsp;".repeat(depth * 4);
        let _ = write!(body, "<tr><td>{indent}<code>{name}</code></td><td>{}</td><td>{text}</td></tr>", escape(f.kind));
        if depth < 3 {
            rows(body, &(f.fields)(), depth + 1);
        }
    }
}

fn frame(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>"
    )
}

fn html(status: StatusCode, page: String) -> Response {
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn page(r: &Registry, path: &str) -> (StatusCode, String) {
        let response = r.reference(path);
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.expect("a body");
        (status, String::from_utf8(bytes.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn each_role_reads_of_its_own_commands_only() {
        let r = Registry::new();
        for (word, _, role) in ROLES {
            let (status, text) = page(&r, word).await;
            assert_eq!(status, StatusCode::OK);
            for m in r.all() {
                let shown = text.contains(&format!("/{word}/{}\"", m.name));
                assert_eq!(shown, m.roles & role as u8 != 0, "{} for {word}", m.name);
            }
        }
        assert_eq!(page(&r, "user/addHost").await.0, StatusCode::NOT_FOUND);
        assert_eq!(page(&r, "admin/addHost/x").await.0, StatusCode::NOT_FOUND);
        assert_eq!(page(&r, "nobody").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn pages_hold_no_scripts_and_every_text_is_escaped() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
        let r = Registry::new();
        for m in r.all() {
            let (status, text) = page(&r, &format!("admin/{}", m.name)).await;
            assert!(status == StatusCode::OK || m.roles & Role::Admin as u8 == 0, "{}", m.name);
            assert!(!text.to_lowercase().contains("<script"), "{}", m.name);
            assert!(text.matches("<td>").count() == text.matches("</td>").count(), "{}", m.name);
        }
    }
}
