"""Discovery on the developer page: why a post is in the feed, and how to see less like it."""


async def test_a_post_says_why_it_is_shown_and_can_be_hidden_until_the_feed_is_reset(pair):
    hers, his = pair
    await hers.write("#compose textarea", "عن الكشري")
    await hers.click("#compose button")
    await his.see("#posts li p", "عن الكشري")
    await hers.see_no("#posts button", "Less like this")  # her own post
    await his.click("#posts button", "Why?")
    await his.see(".choice p", "You follow its author")
    for term in ("affinity", "quality", "freshness", "diversity", "negatives"):
        await his.has(f".choice [data-term='{term}']")
    await his.see(".choice li", "freshness")
    await his.click("#posts button", "Less like this")
    await his.see_no(".choice li")
    await his.click(".choice button", "Less of this topic")
    await his.see_no("#posts li", "عن الكشري")
    await his.see("#notice", "less like this")
    await his.do(his.driver.refresh)
    await his.see("#log-entries .call", "feed.get")
    await his.see_no("#posts li", "عن الكشري")

    await his.click("#bell")
    await his.click("#preferences summary")
    await his.click("#reset-feed")
    await his.see("#posts li p", "عن الكشري")
    assert await hers.complaints() == await his.complaints() == []
