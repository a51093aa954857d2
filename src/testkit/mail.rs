//! A mail server that takes one mail and shows it.
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// Takes one mail, as a mail server without TLS does; the text of it.
pub async fn one(listener: TcpListener) -> String {
    let (stream, _) = listener.accept().await.unwrap();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 sink\r\n").await.unwrap();
    let (mut text, mut data) = (String::new(), false);
    while let Some(line) = lines.next_line().await.unwrap() {
        let answer = match (data, line.as_str()) {
            (true, ".") => {
                data = false;
                "250 taken\r\n"
            }
            (true, _) => {
                text.push_str(&line);
                text.push('\n');
                continue;
            }
            (false, "DATA") => {
                data = true;
                "354 go on\r\n"
            }
            (false, "QUIT") => break,
            (false, _) => "250 sink\r\n",
        };
        write.write_all(answer.as_bytes()).await.unwrap();
        if !text.is_empty() && !data {
            break;
        }
    }
    text
}
