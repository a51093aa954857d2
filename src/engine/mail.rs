//! E-mail: handed to the mail server that the settings name, in the background. Nobody waits for a mail, and a mail that could not be
//! sent is a line in the log, never an error of the command that wanted it.
use crate::Engine;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use std::time::Duration;

/// The port on which a mail server speaks TLS from the first byte.
const TLS_PORT: u16 = 465;

/// Which settings say how: `project.smtp.…` or `alert.smtp.…`.
#[derive(Debug, Clone, Copy)]
pub enum Post {
    /// Invitations into projects.
    Project,
    /// Alerts to administrators.
    Alert,
}

impl Post {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Alert => "alert",
        }
    }
}

/// A plain text to some addresses.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Whom to.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

/// What the settings say of a mail server.
struct Server {
    host: String,
    port: u16,
    sender: String,
    login: Option<(String, String)>,
    patience: Duration,
}

impl Engine {
    /// Sends a mail in the background; without a mail server in the settings it does nothing.
    pub fn mail_send(&self, post: Post, mail: Mail) {
        let Some(server) = self.mail_server(post) else {
            tracing::debug!(settings = post.prefix(), "no mail server is set, nothing is sent");
            return;
        };
        tokio::spawn(async move {
            let recipients = mail.to.len();
            match send(server, mail).await {
                Ok(()) => tracing::info!(settings = post.prefix(), recipients, "a mail was sent"),
                Err(e) => tracing::warn!(settings = post.prefix(), error = %e, "a mail could not be sent"),
            }
        });
    }

    fn smtp_password(&self, post: Post) -> String {
        match self.setting_secret(&format!("{}.smtp.password", post.prefix())) {
            Ok(password) => password.unwrap_or_default(),
            Err(e) => {
                tracing::warn!(settings = post.prefix(), error = %e, "the mail server's password cannot be read");
                String::new()
            }
        }
    }

    fn mail_server(&self, post: Post) -> Option<Server> {
        let setting = |name: &str| self.settings.text(&format!("{}.{name}", post.prefix())).filter(|t| !t.trim().is_empty());
        let host = setting("smtp.host")?;
        let login = match setting("smtp.useAuth").is_some_and(|t| t.eq_ignore_ascii_case("true")) {
            true => Some((setting("smtp.username").unwrap_or_default(), self.smtp_password(post))),
            false => None,
        };
        let patience = setting("smtp.timeout").and_then(|t| t.parse().ok()).unwrap_or(30_000);
        Some(Server {
            host,
            port: setting("smtp.port").and_then(|t| t.parse().ok()).unwrap_or(TLS_PORT),
            sender: setting("email.sender").unwrap_or_else(|| "stratus@localhost".into()),
            login,
            patience: Duration::from_millis(patience),
        })
    }
}

async fn send(server: Server, mail: Mail) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut message = Message::builder().from(server.sender.parse::<Mailbox>()?).subject(mail.subject);
    for to in &mail.to {
        message = message.to(to.parse::<Mailbox>()?);
    }
    let message = message.body(mail.body)?;
    let tls = TlsParameters::new(server.host.clone())?;
    let tls = if server.port == TLS_PORT { Tls::Wrapper(tls) } else { Tls::Opportunistic(tls) };
    let mut transport =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host).port(server.port).tls(tls).timeout(Some(server.patience));
    if let Some((name, password)) = server.login {
        transport = transport.credentials(Credentials::new(name, password));
    }
    transport.build().send(message).await?;
    Ok(())
}

/// Whether a text is an e-mail address.
pub fn is_address(text: &str) -> bool {
    text.parse::<lettre::Address>().is_ok()
}
