//! A text screen of 80 by 25 characters, painted with a small font: what a serial console's bytes look like on a monitor.
use crate::font::{self, GLYPH_HEIGHT, GLYPH_WIDTH};

const COLUMNS: usize = 80;
const ROWS: usize = 25;
const CELL_WIDTH: usize = GLYPH_WIDTH + 1;
const CELL_HEIGHT: usize = GLYPH_HEIGHT + 3;
const INK: [u8; 3] = [0xd8, 0xe4, 0xd8];
const PAPER: [u8; 3] = [0x10, 0x14, 0x18];

/// The characters on the screen and where the cursor is.
#[derive(Clone, PartialEq, Eq)]
pub struct Screen {
    cells: Vec<[u8; COLUMNS]>,
    cursor: (usize, usize),
}

impl Screen {
    /// Width and height in pixels.
    pub const SIZE: (u16, u16) = ((COLUMNS * CELL_WIDTH) as u16, (ROWS * CELL_HEIGHT) as u16);

    /// The screen after these bytes: lines wrap, and the oldest scroll away at the top.
    pub fn of(bytes: &[u8]) -> Self {
        let mut screen = Self { cells: vec![[b' '; COLUMNS]; ROWS], cursor: (0, 0) };
        for byte in bytes {
            screen.put(*byte);
        }
        screen
    }

    fn put(&mut self, byte: u8) {
        match byte {
            b'\n' => self.line(),
            b'\r' => self.cursor.0 = 0,
            b'\t' => (0..8 - self.cursor.0 % 8).for_each(|_| self.put(b' ')),
            8 => self.cursor.0 = self.cursor.0.saturating_sub(1),
            0..=31 | 127 => {}
            _ => {
                if self.cursor.0 == COLUMNS {
                    self.line();
                }
                self.cells[self.cursor.1][self.cursor.0] = byte;
                self.cursor.0 += 1;
            }
        }
    }

    fn line(&mut self) {
        self.cursor = (0, self.cursor.1 + 1);
        if self.cursor.1 == ROWS {
            self.cells.remove(0);
            self.cells.push([b' '; COLUMNS]);
            self.cursor.1 = ROWS - 1;
        }
    }

    /// Every pixel, line by line from the top left.
    pub fn each_pixel(&self, mut paint: impl FnMut([u8; 3])) {
        for y in 0..ROWS * CELL_HEIGHT {
            let (row, line) = (y / CELL_HEIGHT, y % CELL_HEIGHT);
            for (column, byte) in self.cells[row].iter().enumerate() {
                let here = self.cursor == (column, row);
                // A line of air above the glyph, the cursor and descenders below it.
                let bits = if line == 0 { 0 } else { font::line(*byte, line - 1) };
                for x in 0..CELL_WIDTH {
                    let lit = (x < GLYPH_WIDTH && bits >> (GLYPH_WIDTH - 1 - x) & 1 == 1) || (here && line >= CELL_HEIGHT - 2);
                    paint(if lit { INK } else { PAPER });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &Screen, row: usize) -> String {
        String::from_utf8_lossy(&s.cells[row]).trim_end().to_owned()
    }

    #[test]
    fn lines_wrap_and_scroll() {
        let s = Screen::of(b"one\r\ntwo\n\tx");
        assert_eq!((text(&s, 0), text(&s, 1), text(&s, 2)), ("one".into(), "two".into(), "        x".into()));
        let long = Screen::of(&[b'a'; 81]);
        assert_eq!((text(&long, 0).len(), text(&long, 1).len()), (80, 1));
        let many: String = (0..30).map(|n| format!("line {n}\n")).collect();
        assert_eq!(text(&Screen::of(many.as_bytes()), 0), "line 6");
        // Bytes that are no ASCII letters are painted as something, and nothing panics.
        Screen::of(&(0..=255).collect::<Vec<u8>>()).each_pixel(|_| {});
    }
}
