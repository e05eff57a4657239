using System.Text;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

public class ContentDepthTests : HttpTests
{
    private const int Limit = 120;

    [TestCase(60)]
    [TestCase(100)]
    [TestCase(Limit)]
    public async Task D8_deep_contents_arrive(int depth)
    {
        foreach (var content in (string[])[Objects(depth), Arrays(depth)])
        {
            var since = (await Bob.SyncAsync()).NextBatch;
            (await Alice.PutAsync("m.test", $"{Guid.NewGuid()}", ToBob(content))).ShouldBeAccepted();

            var sync = await Bob.SyncAsync(since);
            Assert.That(sync.Contents, Is.EqualTo(new[] { content }));
            await Bob.SyncAsync(sync.NextBatch);
        }
    }

    [TestCase(Limit + 1)]
    [TestCase(1_000)]
    [TestCase(30_000)]
    public async Task D8_deeper_contents_are_M_BAD_JSON(int depth)
    {
        foreach (var content in (string[])[Objects(depth), Arrays(depth)])
            (await Alice.PutAsync("m.test", "t1", ToBob(content))).ShouldBe(400, "M_BAD_JSON");

        Assert.That(await CountBobsMailAsync(), Is.Zero);
    }

    [Test]
    public async Task D8_a_host_may_set_another_limit()
    {
        await using var server = await TestHomeserver.StartAsync(
            builder => builder.Services.Configure<SendToDeviceOptions>(options => options.MaxContentDepth = 1));
        var alice = server.Login("@alice:hs1", "A1");

        (await alice.PutAsync("m.test", "t1", ToBob("{}"))).ShouldBeAccepted();
        (await alice.PutAsync("m.test", "t2", ToBob("""{"a":{}}"""))).ShouldBe(400, "M_BAD_JSON");
        (await alice.PutAsync("m.test", "t3", ToBob("""{"a":[]}"""))).ShouldBe(400, "M_BAD_JSON");
    }

    [TestCase("[", "", "M_NOT_JSON")]
    [TestCase("{\"a\":", "", "M_NOT_JSON")]
    [TestCase("[", "]", "M_BAD_JSON")]
    [TestCase("{\"messages\":", "}", "M_NOT_JSON", Description = "the innermost value is missing")]
    public async Task D8_five_megabytes_of_brackets_are_refused(string open, string close, string errorCode)
    {
        var count = 5_000_000 / (open.Length + close.Length);
        var body = new StringBuilder().Insert(0, open, count).Insert(count * open.Length, close, count);

        (await PutBytesAsync(Encoding.ASCII.GetBytes(body.ToString()))).ShouldBe(400, errorCode);
    }

    [Test]
    public async Task D8_five_megabytes_of_brackets_in_any_place_are_refused()
    {
        const int Count = 2_500_000;
        var deep = new string('[', Count) + new string(']', Count);

        (await Alice.PutAsync("m.test", "t1", $$"""{"messages":{{deep}}}""")).ShouldBe(400, "M_BAD_JSON");
        (await Alice.PutAsync("m.test", "t1", $$$"""{"messages":{"@bob:hs1":{{{deep}}}}}""")).ShouldBe(400, "M_BAD_JSON");
        (await Alice.PutAsync("m.test", "t1", ToBob(deep))).ShouldBe(400, "M_BAD_JSON");
        (await Alice.PutAsync("m.test", "t1", ToBob($$"""{"a":{{deep}}}"""))).ShouldBe(400, "M_BAD_JSON");
        // What the module does not look at may be as deep as it likes.
        (await Alice.PutAsync("m.test", "t1", $$"""{"messages":{},"other":{{deep}}}""")).ShouldBeAccepted();
    }

    private static string Objects(int depth) => Nest(depth - 1, "{\"a\":", "{}", "}");

    /// <summary>Arrays in an object.</summary>
    private static string Arrays(int depth) => $"{{\"a\":{Nest(depth - 2, "[1,", "[]", ",2]")}}}";

    private static string Nest(int times, string open, string inner, string close) =>
        string.Concat(Enumerable.Repeat(open, times)) + inner + string.Concat(Enumerable.Repeat(close, times));
}
