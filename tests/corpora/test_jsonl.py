from clinspan.corpora import jsonl


def test_a_bad_line_does_not_stop_the_rest(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"id": "1", "text": "a\\r\\nb"}\r\n\n{"id": \n{"text": "\xfc"}\n{"text": "last\xe2\x80\xa8"}'
    )
    first, broken, bytes_, last = jsonl.read(path)
    assert first.text == "a\r\nb"
    assert broken.where == f"{path}, line 3"
    assert bytes_.where == f"{path}, line 4"
    assert "byte 0xfc at offset 53" in bytes_.what
    assert (last.id, last.text) == ("a-5", "last\u2028")
