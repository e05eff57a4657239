namespace LocalHomeserver;

/// <summary><c>POST keys/upload</c>.</summary>
internal static class KeyUploadEndpoint
{
    public static void MapKeyUpload(this IEndpointRouteBuilder client) => client.MapPost("/keys/upload", UploadAsync);

    private static async Task<KeyUploadResponse> UploadAsync(
        HttpContext context, Caller caller, Body<KeyUploadRequest> body, DeviceKeys keys, CancellationToken cancellationToken)
    {
        // That the device has signed its keys is for other clients to check: the specification asks nothing of the server, which
        // could replace the keys and the signatures alike.
        var upload = KeyUpload.Read(body.Value, caller.Device);
        return new KeyUploadResponse(
            await keys.UploadAsync(caller.Device, upload, () => Caller.BindAsync(context), cancellationToken));
    }
}

internal sealed record KeyUploadResponse(IReadOnlyDictionary<string, long> OneTimeKeyCounts);
