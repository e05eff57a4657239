using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The errors that more than one endpoint gives. Throwing one ends the request: <see cref="MatrixErrors"/> writes it.</summary>
internal static class Errors
{
    public static ToDeviceErrorException NotJson() => New(400, "M_NOT_JSON", "The request body is not JSON");

    public static ToDeviceErrorException BadJson(string error = "The request body is not of the form that is needed") =>
        New(400, "M_BAD_JSON", error);

    public static ToDeviceErrorException MissingParam(string name) => New(400, "M_MISSING_PARAM", $"'{name}' is missing");

    public static ToDeviceErrorException InvalidParam(string name, string rule) =>
        New(400, "M_INVALID_PARAM", $"'{name}' must be {rule}");

    public static ToDeviceErrorException Forbidden(string error) => New(403, "M_FORBIDDEN", error);

    public static ToDeviceErrorException Unauthorized(string error) => New(401, "M_UNAUTHORIZED", error);

    public static ToDeviceErrorException UserInUse() => New(400, "M_USER_IN_USE", "This user name is taken");

    public static ToDeviceErrorException Exclusive(string error) => New(400, "M_EXCLUSIVE", error);

    public static ToDeviceErrorException NotFound(string error) => New(404, "M_NOT_FOUND", error);

    /// <summary>For what may work later (D3).</summary>
    public static ToDeviceErrorException Unavailable(string error) =>
        new(new ToDeviceError(503, "M_UNKNOWN", error) { RetryAfter = TimeSpan.FromSeconds(5) });

    public static ToDeviceErrorException New(int statusCode, string errorCode, string error) =>
        new(new ToDeviceError(statusCode, errorCode, error));
}
