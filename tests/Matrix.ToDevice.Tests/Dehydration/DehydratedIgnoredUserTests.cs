using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A dehydrated device's messages are without those of ignored users too (R60), and still nothing is deleted (R111).</summary>
public class DehydratedIgnoredUserTests : DehydratedDeviceTests
{
    private TestIgnoredUsers IgnoreList => (TestIgnoredUsers)Server.Services.GetRequiredService<IIgnoredUsers>();

    private protected override void Configure(ISendToDeviceBuilder builder)
    {
        builder.UseIgnoredUsers<TestIgnoredUsers>();
        builder.Services.Configure<SendToDeviceOptions>(options => options.SyncLimit = 3);
    }

    [SetUp]
    public void Ignore() => IgnoreList.Ignored = new HashSet<string> { "@mallory:hs1", "@bob:hs1" };

    [TestCase("mmmmmmma", "a")]
    [TestCase("mamamamm", "aaa")]
    [TestCase("mmm", "")]
    [TestCase("aaammmmmm", "aaa")]
    [TestCase("bmb", "bb")]
    public async Task R60_R110_pages_of_ignored_users_alone_are_passed_over_and_nothing_is_deleted(string messages, string seen)
    {
        var mallory = Server.Login("@mallory:hs1", "M1");
        foreach (var sender in messages)
        {
            var client = sender switch { 'a' => Alice, 'b' => Bob, _ => mallory };
            (await client.SendAsync(Guid.NewGuid().ToString("N"), "@bob:hs1", Dehydrated, $$"""{"from":"{{sender}}"}""")).ShouldBeAccepted();
        }

        Assert.That(Senders(await ReadAllAsync()), Is.EqualTo(seen));
        var page = await PostAsync();
        var read = new List<string>(page.Contents);
        for (var n = 0; n < 9 && page.Contents.Count > 0; n++) read.AddRange((page = await PostAsync(page.NextBatch)).Contents);
        Assert.That(Senders(read), Is.EqualTo(seen), "by POST");

        IgnoreList.Ignored = new HashSet<string>();
        Assert.That(Senders(await ReadAllAsync()), Is.EqualTo(messages), "they are all there for who ignores nobody any more");
    }

    [Test]
    public async Task R60_R110_however_many_there_are_an_answer_has_an_end_and_the_next_one_goes_on()
    {
        var mallory = Server.Login("@mallory:hs1", "M1");
        for (var n = 0; n < 310; n++) (await mallory.SendAsync($"t{n}", "@bob:hs1", Dehydrated)).ShouldBeAccepted();
        var contents = await SendAsync(1);

        var first = await GetAsync();

        Assert.That(first.Contents, Is.Empty);
        Assert.That(first.NextBatch, Is.Not.Null, "empty is not the end");
        Assert.That((await GetAsync(first.NextBatch)).Contents, Is.EqualTo(contents));
        Assert.That((await PostAsync()).Contents, Is.EqualTo(contents), "by POST, where empty is the end");
    }

    [Test]
    public async Task R60_D3_a_list_that_is_not_to_be_had_is_503()
    {
        await SendAsync(1);
        IgnoreList.Failure = new TimeoutException("the database does not answer");

        (await Bob.SendAsync(HttpMethod.Get, PathOf(Dehydrated))).ShouldBe(503, "M_UNKNOWN");
        var inbox = Server.Services.GetRequiredService<HookedInbox>();
        Assert.That(await inbox.GivenBack.WaitAsync(TimeLimit.OfOneWait), Is.True, "the page that was read");
    }

    private static string Senders(IEnumerable<string> contents) => string.Concat(contents.Select(content => content[9]));
}
