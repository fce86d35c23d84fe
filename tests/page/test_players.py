"""What the developer page shows media with: blurhashes, and hls.js for films."""

DECODE = """
const given = arguments;
return import("/page/blurhash.js").then(({ decode }) => decode(...given)).then((pixels) => pixels && [...pixels]);
"""
# Pixels that the npm package `blurhash` 2.0.5 decodes: the first and the last of 32 × 20.
KNOWN = {
    "LEHV6nWB2yk8pyo0adR*.7kCMdnj": ([135, 164, 177, 255], [132, 142, 147, 255]),
    "LGF5]+Yk^6#M@-5c,1J5@[or[Q6.": ([176, 118, 163, 255], [142, 97, 100, 255]),
    "00TI:j": ([255, 0, 0, 255], [255, 0, 0, 255]),
}


async def test_blurhashes_are_decoded_as_the_reference_does(person, sign_in):
    window = await sign_in((await person("alice")).name)
    for known, (first, last) in KNOWN.items():
        pixels = await window.do(window.driver.execute_script, DECODE, known, 32, 20)
        assert (len(pixels), pixels[:4], pixels[-4:]) == (32 * 20 * 4, first, last)
    for broken in ("", "L", "LEHV6nWB2yk8", "00TI:é", "00TI:j0", "~" * 30):
        assert await window.do(window.driver.execute_script, DECODE, broken, 32, 20) is None


async def test_hls_js_runs_under_the_pages_policy(person, sign_in):
    window = await sign_in((await person("alice")).name)
    load = "return import('/page/vendor/hls.light.min.mjs').then(({ Hls }) => Hls.isSupported())"
    assert await window.do(window.driver.execute_script, load) is True
    assert await window.complaints() == []
