using System.Buffers;
using System.Net.Http.Headers;
using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>Takes the library's transactions to appservices (<c>PUT /_matrix/app/v1/transactions/{txnId}</c>).</summary>
internal sealed class AppserviceTransport(Settings settings) : IAppserviceTransport, IDisposable
{
    // How long an answer may take is the library's to say. No redirects: they would take the token to somebody who is not configured.
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    // <appservice-transport>
    public async ValueTask<AppserviceSendResult> SendAsync(AppserviceTransaction transaction, CancellationToken cancellationToken)
    {
        var registration = settings.Appservices.Single(registration => registration.Appservice.Id == transaction.AppserviceId);
        var url = $"{registration.Url!.AbsoluteUri.TrimEnd('/')}/_matrix/app/v1/transactions/{transaction.TransactionId}";
        using var request = new HttpRequestMessage(HttpMethod.Put, url);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", registration.HsToken);
        request.Content = new ByteArrayContent(BodyOf(transaction));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");

        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        return AppserviceSendResult.Of((int)response.StatusCode, response.Headers.RetryAfter?.Delta);
    }

    private static byte[] BodyOf(AppserviceTransaction transaction)
    {
        var body = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(body)) transaction.WriteTo(json);
        return body.WrittenSpan.ToArray();
    }
    // </appservice-transport>

    public void Dispose() => _http.Dispose();
}
