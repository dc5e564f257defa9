# Undoes what Join.ps1 has done. In an administrator's prompt:
#
#     powershell -ExecutionPolicy Bypass -File .\Leave.ps1

$ErrorActionPreference = 'Stop'
$Uri = @URI@
$Certificate = @CERTIFICATE@
$Authority = @AUTHORITY@

function Remove-FromStore([string] $Thumbprint, [string] $StoreName) {
    $store = New-Object System.Security.Cryptography.X509Certificates.X509Store($StoreName, 'LocalMachine')
    $store.Open('ReadWrite')
    try {
        foreach ($found in @($store.Certificates | Where-Object { $_.Thumbprint -eq $Thumbprint })) {
            $store.Remove($found)
        }
    } finally {
        $store.Close()
    }
}

$user = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $user.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
    Write-Host 'This needs the rights of an administrator: open PowerShell by "Run as administrator", and repeat it.'
    exit 1
}

$shown = (netsh interface httpstunnel show interfaces | Out-String)
if ($shown.ToLower().Contains($Uri.ToLower())) {
    netsh interface httpstunnel delete interface
}
Remove-FromStore $Certificate 'My'
if ($Authority -ne '') {
    Remove-FromStore $Authority 'Root'
}
Write-Host 'Left. The interface and the certificates of Join.ps1 are gone.'
