"""Discovery on the developer page: search, explore, and why a post is in the feed and how to see less like it."""

import asyncio

from selenium.webdriver.common.keys import Keys

from tests.cluster import Cluster
from tests.contract.test_explore import make_old, refresh
from tests.contract.test_search import word

FIELD = "#search-form input"
OPTION = "#suggestions [role='option']"
FOUND = "#found li"


async def test_search_suggests_while_typing_and_shows_what_it_finds_by_kind(cluster: Cluster, person, pair):
    hers, his = pair
    koshari = word(cluster)
    carol = await person("carol")
    for number in range(11):
        await carol.call("post.create", text=f"{koshari} {number} #اكل_{koshari}")
    room = await carol.call("room.create", topic=f"مجلس {koshari}", visibility="public")
    await carol.call("room.start", room_id=room["id"])
    await cluster.settle()

    await his.click("#open-search")
    await his.write(FIELD, hers.username)
    await his.see(f"{OPTION}[data-kind='user']", f"@{hers.username}")
    await his.write(FIELD, Keys.ESCAPE)
    await his.see_no(OPTION)
    await his.write(FIELD, Keys.ARROW_DOWN)
    await his.see(OPTION, hers.username)
    await his.write(FIELD, Keys.ARROW_DOWN)
    await his.see(f"{FIELD}[aria-activedescendant='suggestion-0'][aria-expanded='true']")
    await his.see(f"{OPTION}[aria-selected='true']", hers.username)
    await his.write(FIELD, Keys.ENTER)
    await his.see("#card", f"@{hers.username}")
    await his.write("#card", Keys.ESCAPE)

    await his.click("#open-search")
    await his.write(FIELD, Keys.CONTROL + "a" + Keys.NULL + koshari)
    await his.write(FIELD, Keys.ENTER)
    await his.see(f"{FOUND}[data-kind='hashtag']", koshari)
    await his.see(f"{FOUND}[data-kind='room'] button", "Join")
    await his.see(f"{FOUND}[data-kind='post']", koshari)
    await his.click("#search-kind")
    await his.click("#search-kind option", "posts")
    await his.see("#found-count", "The first 10 found")
    await his.click("#more-found")
    await his.see(f"{FOUND}:nth-child(11)")
    await his.see_no(f"{FOUND}:not([data-kind='post'])")
    await his.click(f"{FOUND} .excerpt", koshari)
    await his.see_no("#search")
    await his.click("#posts .tag", koshari)
    await his.see("#hashtag-name", koshari)
    await his.see("#hashtag-count", "11 posts")
    await his.click("#more-of-hashtag")
    await his.see("#hashtag-posts li:nth-child(11)", f"{koshari} 0")
    await his.click("#open-search")

    await his.write(FIELD, Keys.CONTROL + "a" + Keys.NULL + Keys.BACKSPACE)
    await his.see(f"{OPTION}[data-kind='recent']", koshari)
    await his.click("#clear-searches")
    await his.see_no(OPTION)
    await his.write(FIELD, Keys.ARROW_DOWN)
    await his.see_no(OPTION)
    assert await his.complaints() == []


async def test_a_post_says_why_it_is_shown_and_can_be_hidden_until_the_feed_is_reset(pair):
    hers, his = pair
    await hers.publish("عن الكشري")
    await his.see("#posts li p", "عن الكشري")
    await hers.publish("صورة قديمة")
    await his.see("#posts li p", "صورة قديمة")
    await hers.see_no("#posts button", "Less like this")  # her own post
    await his.click("#posts li:last-child button", "Why?")
    await his.see(".choice p", "You follow its author")
    for term in ("affinity", "quality", "freshness", "diversity", "negatives"):
        await his.has(f".choice [data-term='{term}']")
    await his.see(".choice li", "freshness")
    await his.click("#posts li:last-child button", "Less like this")
    await his.see_no(".choice li")
    await his.click(".choice button", "Less of this topic")
    await his.see_no("#posts li", "عن الكشري")
    await his.see("#notice", "less like this")
    await his.do(his.driver.refresh)
    await his.see("#posts li p", "صورة قديمة")
    await his.see_no("#posts li", "عن الكشري")

    await his.click("#bell")
    await his.click("#preferences summary")
    await his.click("#reset-feed")
    await his.see("#posts li p", "عن الكشري")
    assert await hers.complaints() == await his.complaints() == []


async def test_the_feed_is_ranked_or_newest_first(cluster: Cluster, pair):
    hers, his = pair
    for text in ("منشور محبوب", "منشور عادي"):
        await hers.publish(text)
        await his.see("#posts li:first-child p", text)
    owner = await cluster.owner()
    await owner.execute(
        """UPDATE posts SET quality = 1 WHERE text = 'منشور محبوب'
        AND author_id = (SELECT id FROM users WHERE username = $1)""",
        hers.username,
    )
    await owner.close()
    await his.click("#feed-mode")
    await his.click("#feed-mode option", "ranked")
    await his.see("#posts li:first-child p", "منشور محبوب")
    await hers.publish("منشور جديد")
    await his.see("#posts li:first-child p", "منشور جديد")
    await his.see("#posts li:nth-child(2) p", "منشور محبوب")
    await his.click("#feed-mode")
    await his.click("#feed-mode option", "newest")
    await his.see("#posts li:nth-child(3) p", "منشور محبوب")
    assert await his.complaints() == []


async def test_explore_shows_trends_with_a_chart_hashtags_and_people(cluster: Cluster, person, sign_in):
    tag = cluster.unique("مهرجان")
    alice, *crowd = await asyncio.gather(*(person(f"fan{number}") for number in range(21)))
    await make_old(cluster, alice, *crowd)
    await asyncio.gather(*(each.call("user.update", governorate="new_valley") for each in crowd))
    await asyncio.gather(*(each.call("post.create", text=f"في #{tag}") for each in crowd))
    friend, known, *_ = crowd
    await alice.call("graph.follow", user_id=friend.id)
    await friend.call("graph.follow", user_id=known.id)
    await refresh(cluster)
    hers = await sign_in(alice.name)

    await hers.click("#explore-tab")
    await hers.see_no("#compose")
    await hers.click("#trends-of")
    await hers.click("#trends-of option", "New Valley")
    await hers.see("#trends li", "20 people")
    await hers.has(".trend-chart[role='img'] rect:nth-of-type(24)[height='24']")
    await hers.click("#trends .tag", tag)
    await hers.see("#hashtag-name", tag)
    await hers.see("#hashtag-count", "20 posts")
    await hers.see("#hashtag-posts .excerpt", tag)

    line = f"#may-know [data-username='{known.name}']"
    await hers.see(line, "1 in common")
    await hers.click(f"{line} button", "Dismiss")
    await hers.see_no(line)
    await hers.click("#hashtag-posts .excerpt")
    await hers.see("#posts .thread")
    await hers.write("#feed-tab", Keys.ARROW_RIGHT)
    await hers.see("#trends")
    assert await hers.complaints() == []
