using System.Net;
using System.Text;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Adoption;

/// <summary>A server that had a sendToDevice of its own takes in the module, and nobody loses a message or gets one twice.</summary>
internal sealed class MigrationTests
{
    private static readonly DeviceAddress s_bobsPhone = new("@bob:hs1", "B1");

    private string _folder = null!;
    private WebApplication _app = null!;

    [SetUp]
    public void Build()
    {
        _folder = Directory.CreateTempSubdirectory("to-device-migration-").FullName;
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        _app = ObjectHost.Build(builder, Path.Combine(_folder, "todevice.db"));
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Test]
    public async Task R51_D2_what_waited_is_moved_once_and_in_order_however_often_it_is_moved()
    {
        for (var run = 0; run < 2; run++)
            await MigrationExamples.MoveAsync(Service<ITransactionStore>(), Service<IDeviceInbox>(), WaitingAsync(), default);
        await _app.StartAsync();

        using var batch = await Service<ToDeviceSync>().NextAsync(s_bobsPhone, null, TimeSpan.Zero, default);

        Assert.That(batch.Events.Select(e => Encoding.UTF8.GetString(e.Content.Span)), Is.EqualTo(new[] { """{"n":1}""", """{"n":2}""", """{"n":3}""" }));
        Assert.That(batch.Events.Select(e => (e.Sender, e.EventType)).Distinct(), Is.EqualTo(new[] { ("@alice:hs1", "m.test") }));
        using var rest = await Service<ToDeviceSync>().NextAsync(s_bobsPhone, batch.NextBatch, TimeSpan.Zero, default);
        Assert.That(rest.IsEmpty, Is.True);
    }

    [Test]
    public async Task R41_a_transaction_from_before_is_known()
    {
        var sent = new MigrationExamples.OldTransaction("@alice:hs1", "A1", "m.test", "t1");
        for (var run = 0; run < 2; run++) await MigrationExamples.MoveAsync(Service<ITransactionStore>(), sent, default);
        await _app.StartAsync();
        var token = Service<ObjectUsers>().Add("@alice:hs1", "A1");
        Service<ObjectUsers>().Add(s_bobsPhone.UserId, s_bobsPhone.DeviceId);

        Assert.That(await SendAsync(token, "t1"), Is.EqualTo(HttpStatusCode.OK));
        Assert.That(await SendAsync(token, "t2"), Is.EqualTo(HttpStatusCode.OK));

        using var batch = await Service<ToDeviceSync>().NextAsync(s_bobsPhone, null, TimeSpan.Zero, default);
        Assert.That(batch.Events.Select(e => Encoding.UTF8.GetString(e.Content.Span)), Is.EqualTo(new[] { "{\"of\":\"t2\"}" }));
    }

    private T Service<T>()
        where T : notnull => _app.Services.GetRequiredService<T>();

    private static async IAsyncEnumerable<MigrationExamples.OldMessage> WaitingAsync()
    {
        for (var n = 1; n <= 3; n++)
        {
            await Task.Yield();
            yield return new(n, s_bobsPhone.UserId, s_bobsPhone.DeviceId, "@alice:hs1", "m.test", Encoding.UTF8.GetBytes($$"""{"n":{{n}}}"""));
        }
    }

    private async Task<HttpStatusCode> SendAsync(Guid token, string txnId)
    {
        using var http = new HttpClient { BaseAddress = new Uri(_app.Urls.Single()) };
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/_matrix/client/v3/sendToDevice/m.test/{txnId}");
        request.Headers.Authorization = new("Bearer", token.ToString());
        request.Content = new StringContent($$"""{"messages":{"@bob:hs1":{"*":{"of":"{{txnId}}"} } } }""");
        using var response = await http.SendAsync(request);
        return response.StatusCode;
    }
}
